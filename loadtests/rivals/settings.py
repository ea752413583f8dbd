"""What a rival's server is told, through the environment: every process of it, however started, reads the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from chassis.settings import load, setting, variable

ROUTE = "inference"
"""What is served under, where a server leaves the choice."""


@dataclass(frozen=True)
class ServerSettings:
    """One server of one model. Only ``loadtests.rivals`` sets these."""

    rival_model: Path = setting(Path(), help="the model's folder")
    rival_home: Path = setting(Path(), help="where the server may keep files of its own")
    rival_port: int = setting(18400, help="the port that it listens on, and those after it are free")
    rival_workers: int = setting(1, help="processes that run the model")
    rival_threads: int = setting(1, help="the engine's threads in each of them")
    rival_batch_size: int = setting(1, help="the most requests of one execution")
    rival_wait_ms: int = setting(0, help="how long a batch waits to be filled")
    rival_timeout_s: float = setting(30.0, help="how long a request may take, where the server can be told")
    rival_queue_limit: int = setting(100_000, help="requests that may wait, where the server can be told")


def told() -> ServerSettings:
    """Return what this process was told."""
    return load(ServerSettings)


def variables(settings: ServerSettings) -> dict[str, str]:
    """Return *settings* as variables of an environment."""
    values = asdict(settings)
    return {variable(field.name): str(values[field.name]) for field in fields(settings)}
