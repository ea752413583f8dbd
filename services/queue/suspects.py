"""Items of a model that a server failed with: they wait, and are tried alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence


class Suspects:
    """How many there are, going by what Redis said last, and when the first is to be tried; *due* is called then."""

    def __init__(self, due: Callable[[], None]) -> None:
        self._call_when_due = due
        self._number = 0
        self._at_s = 0.0

    def __bool__(self) -> bool:
        return self._number > 0

    @property
    def due(self) -> bool:
        """Whether there is one to be tried now."""
        return bool(self) and self._at_s <= time.monotonic()

    def expect(self, number: int, first_in_s: float) -> None:
        """Take in what is known now."""
        self._number, self._at_s = number, time.monotonic() + max(0.0, first_in_s)
        if number and first_in_s > 0:
            asyncio.get_running_loop().call_later(first_in_s + 0.001, self._call_when_due)

    def add(self, delays_s: Sequence[float]) -> None:
        """Take in that there are more, each to be tried after so long."""
        known_s = self._at_s - time.monotonic() if self else float("inf")
        self.expect(self._number + len(delays_s), min(known_s, *delays_s))
