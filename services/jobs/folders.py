"""Where the files of jobs are: ``<jobs_folder>/<id>/work`` and ``…/results``, and who may write there."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from chassis.errors import NotFound


class JobFolder(NamedTuple):
    """The files of one job."""

    path: Path

    @property
    def work(self) -> Path:
        """What it needs to go on; gone once it is done."""
        return self.path / "work"

    @property
    def results(self) -> Path:
        """What its client can fetch."""
        return self.path / "results"

    def make(self) -> None:
        """Make the folders where they are not there."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.results.mkdir(exist_ok=True)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the folder against other processes; says False where another lives that does. Lasts while it lives."""
        with (self.path / "held.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def files(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the bytes of each result, in the order of their names."""
        for path in sorted(self.results.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(self.results).as_posix(), path.stat().st_size

    def file(self, name: str) -> Path:
        """Return the path of a result; raises NotFound, for whatever is not among them too."""
        path = self.results / name
        try:
            inside = path.resolve().is_relative_to(self.results.resolve())
            if inside and path.is_file() and not path.name.startswith("."):
                return path
        except (OSError, ValueError):
            pass
        raise NotFound("the job has no result of this name")

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)


def job_folder(jobs_folder: Path, id: str) -> JobFolder:
    """Return the folder of a job; *id* is a job's that exists, or was made by us."""
    return JobFolder(jobs_folder / id)
