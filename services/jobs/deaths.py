"""How often in a row a job's process died without a word: what kills each process that tries it is not tried for ever.

A process notes its own death before it begins, and clears the note wherever it ends in order: at the job's end, where
the job is handed back, and where it ends by no fault of the job (SIGTERM, a lost lease, a dead worker). So the note
stays only where it had no time for that, as when the kernel killed it for its memory. It is a file, as a process whose
Redis is away could not clear it there.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

MOST_DEATHS = 3


class Deaths:
    """The note of one job, in the file *path*, for the one process that holds the job's folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.before = int(path.read_text() or 0)
        except FileNotFoundError:
            self.before = 0

    def note(self) -> None:
        """Count this process as one that died, until ``clear``; a full disk keeps no job from being done."""
        with suppress(OSError):
            self._path.write_text(str(self.before + 1))

    def clear(self) -> None:
        """Say that this process ends in order; it may be said again."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
