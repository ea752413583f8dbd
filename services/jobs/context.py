"""What a kind's ``run(context)`` works with: its parameters and folders, its progress and log, its checkpoint, models.

A worker may be killed at any moment, and another then calls ``run`` again from its start, with the same folder. What
was done before must not be done again in the result: read it from a checkpoint (``context.journal`` for records one
after the other, ``context.keep`` for a single value), go on behind it, and write results with ``context.result``, which
replaces a file at once. Nothing else has to be thought of: no two workers ever run one job at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from services.jobs.journal import Journal
from services.jobs.limits import Limits
from services.queue.client import Answer
from services.registry.client import Modelinfo, RegistryClient

T = TypeVar("T")


class Cancelled(Exception):
    """Somebody cancelled the job: let it through, the runner says so."""


class Interrupted(Exception):
    """The worker is to end: let it through; the job goes on from its checkpoint at another, or after a restart."""


class Failed(Exception):
    """The job cannot be done; the text is told to its client, so no path and no stack."""


class Context(Protocol):
    """One run of one job.

    What ``run`` raises ends the job: Failed and the errors of ``chassis/errors.py`` with their text, anything else as
    an internal error, its traceback in the worker's log.
    """

    id: str
    parameters: Any
    """The kind's own Struct, as its ``check`` returned it."""
    client_id: str
    folder: Path
    """Working folder: kept over restarts and retries, gone once the job is done."""
    results: Path
    """Folder of the results that clients can fetch; write there with ``result``."""

    limits: Limits
    """How much is read of pictures and archives (pictures.py)."""

    @property
    def registry(self) -> RegistryClient:
        """The registry's client."""

    def check(self) -> None:
        """Raise Cancelled or Interrupted where the job is to stop here; call it often, at least every second or so."""

    def progress(self, done: int, total: int, *, stage: str = "") -> None:
        """Say how much is done; rate and time left are reckoned from it. Cheap: written at most once a second.

        Also does what ``check`` does. *stage* says in a word or two what is being done, where there are several.
        """

    def log(self, line: str) -> None:
        """Add a line to the job's log, which its client can read."""

    def journal(self, name: str) -> AbstractContextManager[Journal]:
        """Open an append-only file of records in the working folder (journal.py): the checkpoint of what is done."""

    def keep(self, name: str, value: bytes) -> None:
        """Keep one value in the working folder, durably and at once (the old or the new one is there, never half)."""

    def kept(self, name: str) -> bytes | None:
        """Return what was kept under *name*, None where nothing was."""

    def result(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file of the results for writing; it appears under *name* (may have folders) whole, at the end."""

    def describe(self, **figures: Any) -> None:
        """Show figures (JSON values) with the job, for instance what came out; given again, they are merged."""

    def source(self, source: str) -> Path:
        """Return the real path of a source that the job was told: ``upload:<id>``, or a folder or file of the machine.

        Raises Forbidden for what is not below the folders that jobs may read, NotFound for what is not there.
        """

    def model(self, key: str) -> Modelinfo:
        """Return the description of a model; raises NotFound."""

    def predict(self, payloads: Iterable[tuple[T, bytes]], *, model: str, task: str) -> Iterator[tuple[T, Answer]]:
        """Send payloads through the queue in the ``batch`` class and yield an answer for each, in their order.

        *payloads* are taken one by one as there is room in the window of what is in flight, so that neither side is
        ever held whole. Each comes with a thing of one's own that is given back with its answer. Where the queue is
        full, a part is away or no server is alive, it is tried again until it is answered; an Answer's ``status`` is
        thus 200, or what is wrong with that payload for good (415, 422, 500 …). Raises Cancelled and Interrupted.
        """
