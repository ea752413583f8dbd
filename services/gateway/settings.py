"""What a gateway is told from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chassis import shared_memory
from chassis.addresses import is_loopback
from chassis.settings import Bytes, setting


@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable ``SERVOIR_<FIELD>``."""

    gateway_address: str = setting("127.0.0.1:8080", help="host:port that HTTP is served at")
    redis_url: str = setting("redis://127.0.0.1:8379/0", help="where the queue is kept")
    registry_address: str = setting("127.0.0.1:8400", help="host:port of the registry")
    gateway_workers: int = setting(0, help="processes; 0: one for every two cores")
    gateway_threads: int = setting(32, help="threads of one process, for what is no prediction")
    start_timeout_s: float = setting(10.0, help="how long Redis and the registry may take to appear at start")
    graceful_timeout_s: float = setting(30.0, help="how long requests at hand may take after SIGTERM")
    max_upload_bytes: Bytes = setting(Bytes(20 * 2**20), help="largest body of a request")
    gateway_max_bodies_bytes: Bytes = setting(
        Bytes(512 * 2**20), help="the most that bodies of requests may hold of one process's memory together"
    )
    gateway_max_waiting: int = setting(
        1000, help="requests that may wait in one process for their answers from the queue"
    )
    max_images: int = setting(32, help="images in one request")
    max_parts: int = setting(64, help="parts in one multipart body")
    max_pixels: int = setting(50_000_000, help="width x height of one image")
    upload_timeout_s: float = setting(30.0, help="how long a body may take to arrive")
    predict_timeout_s: float = setting(10.0, help="deadline where neither the request nor the model names one")
    max_predict_timeout_s: float = setting(120.0, help="the longest deadline that a request may ask for")
    job_timeout_s: float = setting(600.0, help="deadline of an asynchronous request that names none")
    max_job_timeout_s: float = setting(86400.0, help="the longest deadline that an asynchronous request may ask for")
    job_keep_s: float = setting(3600.0, help="how long the result of an asynchronous request is kept")
    jobs_folder: Path = setting(Path("var/jobs"), help="folder of jobs' results and uploads, shared with the workers")
    jobs_clients: tuple[str, ...] = setting(("*",), help="clients that may have background jobs done; *: all")
    jobs_sources: tuple[str, ...] = setting((), help="folders of this machine that jobs may read, joined with commas")
    jobs_source_clients: tuple[str, ...] = setting((), help="clients that may name such folders; operators may always")
    jobs_max_upload_bytes: Bytes = setting(Bytes(20 * 2**30), help="the most bytes that one upload for jobs may have")
    jobs_max_upload_files: int = setting(100_000, help="the most files that one upload for jobs may have")
    jobs_max_client_upload_bytes: Bytes = setting(
        Bytes(50 * 2**30), help="the most bytes that all uploads of one client may have together"
    )
    jobs_max_client_uploads: int = setting(200, help="the most uploads that one client may have at a time")
    jobs_free_bytes: Bytes = setting(Bytes(2**30), help="room on the disk of jobs that uploads leave free")
    cors_origins: tuple[str, ...] = setting(
        ("*",), help="origins whose pages may call the prediction API", production=()
    )
    api_keys: str = setting(
        "auto", help="on, off, or auto: on, except for requests from this machine to loopback", production="on"
    )
    open_to_all: bool = setting(False, help="said again: off means off, also at an address that others can reach")
    admin_token: str = setting("", help="a token that may do everything; the first API key is made with it")
    shared_memory: Path = setting(
        shared_memory.FOLDER, help="folder in memory where model servers of this machine find payloads"
    )
    shared_memory_bytes: Bytes = setting(
        Bytes(64 * 2**20), help="the most that one gateway process leaves there; 0: payloads travel through Redis alone"
    )
    gateway_metrics_folder: str = setting("", help="where the processes sum up their metrics; set by gunicorn_conf.py")
    log_level: str = setting("info", help="debug, info, warning or error")

    def __post_init__(self) -> None:
        if wrong := list(self._faults()):
            raise ValueError("\n".join(wrong))

    def _faults(self) -> Iterator[str]:
        """Yield what makes no sense, each in words."""
        host, _, port = self.gateway_address.rpartition(":")
        if not host or not port.isdigit():
            yield f"SERVOIR_GATEWAY_ADDRESS: not host:port: {self.gateway_address!r}"
            return
        if self.api_keys not in ("on", "off", "auto"):
            yield f"SERVOIR_API_KEYS: {self.api_keys!r} is none of on, off, auto"
        if self.api_keys == "off" and not self.on_loopback and not self.open_to_all:
            yield (
                f"SERVOIR_API_KEYS: off, but others can reach {self.gateway_address}: anyone could use every model. "
                "Turn them on, or say SERVOIR_OPEN_TO_ALL=true as well if that is meant"
            )
        if self.gateway_workers < 0 or self.gateway_threads < 1:
            yield "SERVOIR_GATEWAY_WORKERS: at least 0; SERVOIR_GATEWAY_THREADS: at least 1"
        if self.gateway_max_bodies_bytes < self.max_upload_bytes:
            yield "SERVOIR_GATEWAY_MAX_BODIES_BYTES: at least SERVOIR_MAX_UPLOAD_BYTES"
        if self.gateway_max_waiting < 1:
            yield "SERVOIR_GATEWAY_MAX_WAITING: at least 1"
        if not 0 < self.predict_timeout_s <= self.max_predict_timeout_s:
            yield "SERVOIR_PREDICT_TIMEOUT_S: above 0 and at most SERVOIR_MAX_PREDICT_TIMEOUT_S"
        if not 0 < self.job_timeout_s <= self.max_job_timeout_s or self.job_keep_s < 1:
            yield "SERVOIR_JOB_TIMEOUT_S: above 0 and at most SERVOIR_MAX_JOB_TIMEOUT_S; SERVOIR_JOB_KEEP_S: at least 1"

    @property
    def bind(self) -> tuple[str, int]:
        """Host and port to listen at."""
        host, _, port = self.gateway_address.rpartition(":")
        return host.strip("[]"), int(port)

    @cached_property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the gateway directly."""
        return is_loopback(self.bind[0])
