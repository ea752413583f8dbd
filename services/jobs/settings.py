"""What a worker of background jobs is told from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chassis.settings import Bytes, setting
from services.jobs.limits import Limits

QUEUES = ("default", "gpu", "reports")
"""The queues that jobs wait in; a worker may serve some of them."""


@dataclass(frozen=True)
class Settings:
    """What ``python -m services.jobs`` reads from the environment."""

    redis_url: str = setting("redis://127.0.0.1:8379/0", help="Redis or Valkey: where the jobs and the requests are")
    registry_address: str = setting("127.0.0.1:8400", help="host:port of the registry")
    jobs_folder: Path = setting(Path("var/jobs"), help="folder of jobs' results and uploads, shared with the gateways")
    jobs_sources: tuple[str, ...] = setting((), help="folders of this machine that jobs may read, joined with commas")
    jobs_queues: tuple[str, ...] = setting(QUEUES, help="queues that this worker serves, first one first")
    jobs_in_flight: int = setting(32, help="the most pictures of one job that are on their way to a model at a time")
    jobs_share: float = setting(0.25, help="how much of a model's time a job takes while others use the model")
    jobs_predict_timeout_s: float = setting(60.0, help="deadline of each try of one picture of a job")
    jobs_nice: int = setting(10, help="how much jobs give way to everything else on the machine, 0 to 19")
    jobs_lease_s: float = setting(10.0, help="seconds after a worker's last sign of life when its job goes to another")
    jobs_max_pictures: int = setting(1_000_000, help="the most pictures that one job may have")
    jobs_max_picture_bytes: Bytes = setting(Bytes(20 * 2**20), help="the most bytes that a picture may have")
    jobs_max_unpacked_bytes: Bytes = setting(Bytes(64 * 2**30), help="the most that one archive may unpack to")
    jobs_free_bytes: Bytes = setting(Bytes(2**30), help="room on the disk of jobs that unpacking leaves free")
    jobs_usage_kept_days: int = setting(400, help="days after which usage is forgotten; 0: never")
    jobs_usage_hours_days: int = setting(
        35, help="days after which usage by the hour is rolled up by the day; 0: never"
    )
    home: Path = setting(Path("~/.local/share/servoir").expanduser(), help="where the suite keeps everything")
    jobs_model_store: Path | None = setting(
        None, help="folder of models by their keys, which conversions read and write; SERVOIR_HOME/store/models"
    )
    jobs_step_timeout_s: float = setting(1800.0, help="the most that one step of a conversion may take")
    metrics_port: int = setting(8604, help="port of the worker's metrics; 0: none")
    metrics_host: str = setting("127.0.0.1", help="address that the metrics are served at; 0.0.0.0: every one")
    log_level: str = setting("info", help="debug, info, warning or error")

    def __post_init__(self) -> None:
        unknown = set(self.jobs_queues) - set(QUEUES)
        if unknown or not self.jobs_queues:
            raise ValueError(f"SERVOIR_JOBS_QUEUES: some of {', '.join(QUEUES)}, not {', '.join(sorted(unknown))!r}")
        if self.jobs_in_flight < 1 or self.jobs_predict_timeout_s <= 0:
            raise ValueError("SERVOIR_JOBS_IN_FLIGHT: at least 1; SERVOIR_JOBS_PREDICT_TIMEOUT_S: above 0")
        if not 0 < self.jobs_share <= 1:
            raise ValueError("SERVOIR_JOBS_SHARE: above 0, at most 1")
        if self.jobs_lease_s < 2:
            raise ValueError("SERVOIR_JOBS_LEASE_S: at least 2")
        if not 0 <= self.jobs_nice <= 19:
            raise ValueError("SERVOIR_JOBS_NICE: 0 to 19")

    @property
    def limits(self) -> Limits:
        """How much a job reads."""
        return Limits(
            picture_bytes=self.jobs_max_picture_bytes,
            unpacked_bytes=self.jobs_max_unpacked_bytes,
            free_bytes=self.jobs_free_bytes,
            pictures=self.jobs_max_pictures,
        )

    @property
    def models(self) -> Path:
        """The folder of models."""
        return self.jobs_model_store or self.home / "store" / "models"
