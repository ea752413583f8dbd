"""What an engine has several of because each serves one execution at a time: interpreters, contexts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import LifoQueue
from typing import Generic, TypeVar

Part = TypeVar("Part")


class Idle(Generic[Part]):
    """A stack of *parts*; the one that came back last goes out first, its caches still warm. Thread-safe."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts: LifoQueue[Part] = LifoQueue()
        for part in parts:
            self._parts.put(part)

    @contextmanager
    def one(self) -> Iterator[Part]:
        """Lend a part, as soon as there is one."""
        part = self._parts.get()
        try:
            yield part
        finally:
            self._parts.put(part)
