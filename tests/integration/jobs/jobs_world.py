"""A suite of real processes with workers of background jobs, whose model is an echo; and pictures for it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psutil
import redis

from services.jobs.broker import Broker
from services.jobs.client import Job, JobsClient, Owner, Parameters, read_parameters
from tests.chaos.subjects import Subject
from tests.chaos.world import MODEL, World
from tests.parts import free_port, wait_until

SETTINGS = {"SERVOIR_JOBS_LEASE_S": "2", "SERVOIR_JOBS_PREDICT_TIMEOUT_S": "20"}


class JobsWorld(World):
    """A world in which jobs may read what lies below ``sources``."""

    def __init__(
        self, folder: Path, *, subject: Subject | None = None, workers: int = 1, gateways: int = 0, **env: str
    ) -> None:
        self.jobs_folder, self.sources = folder / "jobs", folder / "sources"
        self.sources.mkdir(parents=True)
        self._env = env
        super().__init__(folder, subject, dispatchers=1, model_servers=1, gateways=gateways)
        for number in range(workers):
            self.start_worker(f"jobs-{number}")
        self.client = JobsClient(self.redis_url, self.jobs_folder)

    def _start(self, name: str, module: list[str], address: str | None, **env: str) -> None:
        shared = {"SERVOIR_JOBS_FOLDER": str(self.jobs_folder), "SERVOIR_JOBS_SOURCES": str(self.sources)}
        super()._start(name, module, address, **{**SETTINGS, **shared, **self._env, **env})

    def start_worker(self, name: str) -> None:
        """Start another worker."""
        port = str(free_port())
        self._start(name, ["services.jobs"], f"127.0.0.1:{port}", SERVOIR_METRICS_PORT=port)

    def horses(self, name: str) -> list[psutil.Process]:
        """Return the processes in which a worker does jobs at this moment."""
        return psutil.Process(self.parts[name].process.pid).children()

    def send_vehicle(self, job: Job) -> None:
        """Have a job come to a worker once more than it was asked for."""
        with redis.Redis.from_url(self.redis_url) as client, client.pipeline() as pipe:
            Broker(client).enqueue(pipe, job.queue, job.id)
            pipe.execute()

    def submit(self, **parameters: Any) -> Job:
        """Submit a job past the gateway: its parameters are not checked."""
        told = {"kind": "predict", "model": MODEL, "task": "bbox", **parameters}
        read: Parameters = read_parameters(msgspec.json.encode(told))
        return self.client.submit(read, owner=Owner(client_id="ann"))

    def job(self, id: str) -> Job:
        return self.client.job(id, client_id=None)

    def wait_for(self, id: str, *states: str, timeout_s: float = 60) -> Job:
        """Wait until a job has come to one of *states*; ``done`` where none is said."""
        wanted = states or ("done",)
        wait_until(lambda: self.job(id).state in wanted, timeout_s=timeout_s, what=f"{id} {wanted}: {self.job(id)}")
        return self.job(id)

    def lines(self, id: str) -> list[dict[str, Any]]:
        """Return the lines of a batch prediction's ``predictions.jsonl``."""
        text = self.client.result(id, "predictions.jsonl", client_id=None).read_bytes()
        return [msgspec.json.decode(line) for line in text.splitlines()]


def gif(number: int) -> bytes:
    """Return a small picture that the echo model takes, unlike all others."""
    return b"GIF89a\5\0\5\0" + f"picture {number}".encode()


def write_folder(folder: Path, count: int, more: Mapping[str, bytes] | None = None) -> Path:
    """Write so many pictures, and whatever else."""
    folder.mkdir(parents=True)
    for name, content in {**{f"{n:05d}.gif": gif(n) for n in range(count)}, **(more or {})}.items():
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, names: Iterable[str]) -> Path:
    """Write a zip of pictures."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, name in enumerate(names):
            archive.writestr(name, gif(number))
    return path
