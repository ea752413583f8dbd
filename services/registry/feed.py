"""The newest value of something, and followers that are given each newer one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Holds one value; a follower that is slow skips to the newest. Safe to use from several threads."""

    def __init__(self, first: T) -> None:
        self._value = first
        self._version = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def value(self) -> T:
        """The newest value."""
        return self._value

    def put(self, value: T) -> None:
        """Take a newer value and give it to every follower."""
        with self._changed:
            self._value = value
            self._version += 1
            self._changed.notify_all()

    def follow(self, wanted: Callable[[], bool]) -> Iterator[T]:
        """Yield the value there is, then each newer one, until ``close``, or ``wake`` finds it not *wanted* now."""
        seen = -1
        while True:
            with self._changed:
                while self._version == seen and not self._closed and wanted():
                    self._changed.wait()
                if self._closed or not wanted():
                    return
                seen, value = self._version, self._value
            yield value

    def wake(self) -> None:
        """Let the followers look again whether they are still wanted."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End every follower, also those that come later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
