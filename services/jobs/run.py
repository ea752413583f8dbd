"""The context of one run of a job, as context.py promises it to every kind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeVar

from services.jobs.folders import job_folder
from services.jobs.heartbeat import Heartbeat
from services.jobs.job import Job
from services.jobs.journal import Journal, replaced
from services.jobs.predicting import Predicting
from services.jobs.settings import Settings
from services.jobs.sources import UPLOAD, allowed_path, is_upload
from services.jobs.uploads import uploads_of
from services.queue.client import Answer, QueueClient, QueueOperator
from services.registry.client import Modelinfo, RegistryClient

T = TypeVar("T")
_SAY_EVERY_S = 60.0


class Run:
    """A ``Context``; connections are opened when they are first needed, and closed by ``close``."""

    def __init__(self, job: Job, settings: Settings, beat: Heartbeat) -> None:
        self.job, self.settings, self._beat = job, settings, beat
        self.id, self.client_id = job.id, job.owner.client_id
        self.parameters: Any = None
        folder = job_folder(settings.jobs_folder, job.id)
        self.folder, self.results = folder.work, folder.results
        self.limits = settings.limits
        self._upload_roots: list[str] = []
        self._said_s = float("-inf")

    @cached_property
    def registry(self) -> RegistryClient:
        """The registry."""
        return RegistryClient(self.settings.registry_address)

    @cached_property
    def _queue(self) -> QueueClient:
        client = QueueClient(self.settings.redis_url)
        client.start()
        return client

    @cached_property
    def _operator(self) -> QueueOperator:
        return QueueOperator(self.settings.redis_url)

    def check(self) -> None:
        """Raise Cancelled or Interrupted where the job is to stop here."""
        self._beat.check()

    def progress(self, done: int, total: int, *, stage: str = "") -> None:
        """Say how much is done."""
        self._beat.say(done=done, total=total, stage=stage)
        self._beat.check()

    def log(self, line: str) -> None:
        """Add a line to the job's log."""
        moment = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._beat.add_log(f"{moment} {' '.join(line.splitlines())}")

    def journal(self, name: str) -> AbstractContextManager[Journal]:
        """Open an append-only file of records in the working folder."""
        return closing(Journal(self.folder / name))

    def keep(self, name: str, value: bytes) -> None:
        """Keep one value in the working folder."""
        with replaced(self.folder / name) as file:
            file.write(value)

    def kept(self, name: str) -> bytes | None:
        """Return what was kept under *name*."""
        path: Path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def result(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file of the results for writing."""
        return replaced(self.results / name)

    def describe(self, **figures: Any) -> None:
        """Show figures with the job."""
        self._beat.describe(figures)

    def source(self, source: str) -> Path:
        """Return the real path of a source that the job was told."""
        if not is_upload(source):
            roots = [*self.settings.jobs_sources, *self._upload_roots]
            return allowed_path(source, roots, field="source")
        upload = uploads_of(self.settings.jobs_folder).upload(source.removeprefix(UPLOAD), client_id=None)
        self._upload_roots.append(str(upload.files))
        return upload.files

    def model(self, key: str) -> Modelinfo:
        """Return the description of a model."""
        return self.registry.model(key)

    def predict(self, payloads: Iterable[tuple[T, bytes]], *, model: str, task: str) -> Iterator[tuple[T, Answer]]:
        """Send payloads through the queue, and yield an answer for each, in their order."""
        predicting = Predicting(
            self._queue,
            self._operator,
            self.job,
            self.settings,
            model=model,
            task=task,
            pause=self._beat.pause,
            say=self._say_waiting,
        )
        return predicting.answers(payloads)

    def _say_waiting(self, reason: str) -> None:
        """Tell in the log what pictures wait for, seldom: all that are on their way say it."""
        if time.monotonic() - self._said_s > _SAY_EVERY_S:
            self._said_s = time.monotonic()
            self.log(f"waiting: {reason}")

    def close(self) -> None:
        """Close what was opened."""
        for name in ("_queue", "_operator", "registry"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def clear(self) -> None:
        """Remove the working folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
