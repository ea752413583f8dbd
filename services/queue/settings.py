"""The dispatcher's settings."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.settings import Bytes, setting


@dataclass(frozen=True)
class Settings:
    """What ``python -m services.queue`` reads from the environment."""

    redis_url: str = setting("redis://127.0.0.1:8379/0", help="Redis or Valkey: where the requests are")
    registry_address: str = setting("127.0.0.1:8400", help="host:port of the registry")
    metrics_port: int = setting(8603, help="port of the dispatcher's metrics; 0: none")
    metrics_host: str = setting("127.0.0.1", help="address that the metrics are served at; 0.0.0.0: every one")
    log_level: str = setting("info", help="debug, info, warning or error")
    queue_max_items: int = setting(10_000, help="the most items that a model's queue may hold")
    queue_max_bytes: Bytes = setting(Bytes(512 * 2**20), help="the most payload bytes that a model's queue may hold")
    queue_retire_s: float = setting(600.0, help="seconds without a model server after which a model's keys are removed")
    quarantine_max_items: int = setting(1_000, help="the most items that a model's quarantine keeps; the oldest go")
    quarantine_max_bytes: Bytes = setting(Bytes(64 * 2**20), help="the most payload bytes that a quarantine keeps")
    dispatcher_beat_s: float = setting(0.4, help="seconds between a dispatcher's beats")
    dispatcher_ttl_s: float = setting(1.5, help="seconds after its last beat when a dispatcher's work is taken over")
    shutdown_grace_s: float = setting(20.0, help="seconds for batches to finish after SIGTERM")

    def __post_init__(self) -> None:
        if not 0 < self.dispatcher_beat_s * 2 <= self.dispatcher_ttl_s:
            raise ValueError("SERVOIR_DISPATCHER_TTL_S: must be at least twice SERVOIR_DISPATCHER_BEAT_S")
