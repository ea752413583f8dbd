"""A checkpoint as a file: records one after the other, which a crash can cut short but not spoil."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_SYNC_S = 1.0


class Journal:
    """An append-only file of lines; what is appended survives the death of the process at once.

    That of the machine it survives after at most a second: the file is written through to the disk so often. A last
    line that a crash left without its end is cut off when it is opened. *count* is how many whole lines there are.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        whole, self.count = _whole(path)
        self._file = path.open("ab", buffering=0)
        self._file.truncate(whole)
        self._synced_s = clock()

    def append(self, *lines: bytes) -> None:
        """Add *lines* (none holds a line break) in one step."""
        self._file.write(b"".join(line + b"\n" for line in lines))
        self.count += len(lines)
        if self._clock() - self._synced_s > _SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Write through to the disk."""
        os.fsync(self._file.fileno())
        self._synced_s = self._clock()

    def lines(self) -> Iterator[bytes]:
        """Yield every line from the first on, without its end, holding one at a time."""
        with self._path.open("rb") as file:
            for line in file:
                yield line[:-1]

    def close(self) -> None:
        """Write through to the disk, and close."""
        self.sync()
        self._file.close()


def _whole(path: Path) -> tuple[int, int]:
    """Return how many bytes and lines of a file are whole."""
    size = count = 0
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                size, count = size + len(line), count + 1
    return size, count


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Open *path* for writing: it holds what it held until all is written, then all of that; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
