"""How many batches are at work at once, and who waits until there is room."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Lets *size* batches in at a time. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._places = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._inside = 0

    @contextmanager
    def place(self) -> Iterator[int]:
        """Wait for a place, and have it; yields how many others are inside then."""
        with self._places:
            others = self._move(1) - 1
            try:
                yield others
            finally:
                self._move(-1)

    def _move(self, by: int) -> int:
        with self._lock:
            self._inside += by
            return self._inside
