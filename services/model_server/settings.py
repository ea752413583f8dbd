"""The settings of a model server; each field is a variable, SERVOIR_<FIELD>, and most are options of the command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chassis import shared_memory
from chassis.settings import Bytes, setting

TUNE_MODES = ("off", "quick", "full")


@dataclass(frozen=True)
class ModelServerSettings:
    """How one model is served."""

    model: Path = setting(Path(), help="the model's folder: <org>-<problem>-<rel>.yaml and the files that it names")
    address: str = setting("127.0.0.1:8501", help="host:port to serve gRPC on; port 0 takes a free one")
    announce_host: str = setting(
        "",
        help="name or IP that others reach it by; empty: address's, or this machine's name where that is all of them",
    )
    registry_address: str = setting("127.0.0.1:8400", help="the registry that the lease goes to; empty: no lease")
    metrics_port: int = setting(0, help="port of the metrics over HTTP; 0: none")
    metrics_host: str = setting("127.0.0.1", help="address that the metrics are served at; 0.0.0.0: every one")
    memory_cap: Bytes = setting(Bytes(0), help="most resident memory (2GiB …); 0: what modelinfo says, or no cap")
    device_memory_cap: Bytes = setting(Bytes(0), help="most memory on an accelerator; 0: as memory_cap")
    max_batch_size: int = setting(0, help="most items in one batch; 0: what modelinfo says, or 8")
    tune: str = setting("quick", help="off: fixed values; quick: measures batch sizes; full: also threads, concurrency")
    batch_size: int = setting(0, help="best batch size to announce where tune is off; 0: the largest")
    concurrency: int = setting(0, help="batches that run side by side; 0: as tuned, or one for each core")
    threads: int = setting(0, help="the engine's threads for one batch; 0: as tuned, or 1")
    home: Path = setting(Path("~/.local/share/servoir").expanduser(), help="where measurements are kept, in cache/")
    shared_memory: Path = setting(
        shared_memory.FOLDER, help="folder in memory where gateways of this machine leave payloads"
    )
    drain_timeout_s: float = setting(30.0, help="how long batches at hand may take to finish when the server ends")
    lease_ttl_s: float = setting(6.0, help="how long an announcement at the registry holds")
    nice: int = setting(
        5, help="how much the model gives way to those who bring its work and take its answers, 0 to 19"
    )
    log_level: str = setting("info", help="debug, info, warning or error")

    def __post_init__(self) -> None:
        """Raise ValueError naming every value out of range."""
        wrong = [f"{name}: must be 0 or more" for name in _COUNTS if getattr(self, name) < 0]
        if self.tune not in TUNE_MODES:
            wrong.append(f"tune: {self.tune!r} is none of {', '.join(TUNE_MODES)}")
        if not 0 <= self.metrics_port < 2**16:
            wrong.append(f"metrics_port: {self.metrics_port} is no port")
        if not 0 <= self.nice <= _NICEST:
            wrong.append(f"nice: {self.nice} is not from 0 to {_NICEST}")
        if wrong:
            raise ValueError("; ".join(wrong))


_NICEST = 19
_COUNTS = ("memory_cap", "device_memory_cap", "max_batch_size", "batch_size", "concurrency", "threads")
