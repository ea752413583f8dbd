"""Settings of the registry."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.settings import setting


@dataclass(frozen=True)
class RegistrySettings:
    """What the registry reads from the environment, each field as ``SERVOIR_<FIELD>``."""

    registry_address: str = setting("127.0.0.1:8400", help="host:port that the registry listens on")
    mongo_url: str = setting("mongodb://127.0.0.1:8017/?replicaSet=rs0", help="URL of MongoDB, a replica set")
    mongo_database: str = setting("servoir", help="the database in MongoDB that the registry owns")
    metrics_port: int = setting(8602, help="port of /metrics, and of /targets for Prometheus; 0: none")
    metrics_host: str = setting("127.0.0.1", help="address that the metrics are served at; 0.0.0.0: every one")
    max_watchers: int = setting(256, help="most streams open at once: one a dispatcher, two a gateway process")
    stop_grace_s: float = setting(5.0, help="seconds that calls at hand may take to finish on SIGTERM")
    log_level: str = setting("info", help="debug, info, warning or error")

    def __post_init__(self) -> None:
        if self.max_watchers < 1:
            raise ValueError(f"SERVOIR_MAX_WATCHERS: {self.max_watchers}, but 1 or more is needed")
        if self.log_level.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError(f"SERVOIR_LOG_LEVEL: {self.log_level!r} is none of debug, info, warning, error")
