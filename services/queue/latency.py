"""How long a batch of each size takes at one replica, learned from what it did. Pure: time comes as an argument.

For each size the median of the last samples counts, so that single outliers (a first call, a pause) do not move it.
Before there are samples, the times that the server measured at its warm-up hold.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping

_WINDOW = 15
_MEMORY_S = 30.0
_UNKNOWN_S = 0.01


class Latency:
    """The service times of one replica, in seconds by batch size."""

    def __init__(self, seeds: Mapping[int, float]) -> None:
        self._seeds = {size: seconds for size, seconds in seeds.items() if seconds > 0}
        self._samples: dict[int, deque[float]] = {}
        self._recent: deque[tuple[float, float]] = deque(maxlen=64)
        self._known: dict[int, float] = dict(self._seeds)

    def learn(self, size: int, seconds: float, now_s: float) -> None:
        """Take in that a batch of *size* took *seconds*."""
        samples = self._samples.setdefault(size, deque(maxlen=_WINDOW))
        samples.append(seconds)
        self._recent.append((now_s, seconds))
        seed = [self._seeds[size]] * 2 if size in self._seeds and len(samples) < 3 else []
        self._known[size] = statistics.median([*samples, *seed])

    def expected_s(self, size: int) -> float:
        """Return the time that *size* items are to take; between known sizes on the line through them."""
        if size in self._known:
            return self._known[size]
        if not self._known:
            return _UNKNOWN_S
        sizes = sorted(self._known)
        place = bisect_left(sizes, size)
        if place == 0:
            return self._known[sizes[0]]
        if place == len(sizes):
            return self._known[sizes[-1]] * size / sizes[-1]
        low, high = sizes[place - 1], sizes[place]
        share = (size - low) / (high - low)
        return self._known[low] + share * (self._known[high] - self._known[low])

    def least_s(self, now_s: float) -> float:
        """Return the shortest time that any batch took of late, or 0 where nothing ran: less is hopeless."""
        while self._recent and self._recent[0][0] < now_s - _MEMORY_S:
            self._recent.popleft()
        return min((seconds for _, seconds in self._recent), default=0.0)
