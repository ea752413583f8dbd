"""How long a batch of each size takes at one replica, learned from what it did. Pure: time comes as an argument.

For each size the median of the last samples counts, so that single outliers (a first call, a pause) do not move it.
A size that did not run of late is taken to be as much slower, or faster, than at the server's warm-up as those are that
did: a machine that is busy with other things is so for batches of every size.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping

_WINDOW = 15
_MEMORY_S = 30.0
_FRESH_S = 10.0
_UNKNOWN_S = 0.01


class Latency:
    """The service times of one replica, in seconds by batch size."""

    def __init__(self, seeds: Mapping[int, float]) -> None:
        self._seeds = {size: seconds for size, seconds in seeds.items() if seconds > 0}
        self._samples: dict[int, deque[float]] = {}
        self._learned_s: dict[int, float] = {}
        self._paces: deque[float] = deque([1.0, 1.0], maxlen=_WINDOW)
        self._recent: deque[tuple[float, float]] = deque(maxlen=64)
        self._known: dict[int, float] = dict(self._seeds)

    def learn(self, size: int, seconds: float, now_s: float) -> None:
        """Take in that a batch of *size* took *seconds*."""
        samples = self._samples.setdefault(size, deque(maxlen=_WINDOW))
        if not self._is_fresh(size, now_s):
            samples.clear()
        samples.append(seconds)
        self._learned_s[size] = now_s
        if self._seeds:
            self._paces.append(seconds / _on_line(self._seeds, size))
            fresh = {one: known_s for one, known_s in self._known.items() if self._is_fresh(one, now_s)}
            self._known = self._at_pace() | fresh
        seed = [self._seeds[size]] * 2 if size in self._seeds and len(samples) < 3 else []
        self._known[size] = statistics.median([*samples, *seed])
        of_one = min(1.0, self.expected_s(1) / self.expected_s(size))
        self._recent.append((now_s, seconds * of_one))

    def _is_fresh(self, size: int, now_s: float) -> bool:
        return size in self._learned_s and now_s - self._learned_s[size] <= _FRESH_S

    def _at_pace(self) -> dict[int, float]:
        """Return the warm-up's times, as much slower or faster as batches are now."""
        pace = statistics.median(self._paces)
        return {size: pace * seconds for size, seconds in self._seeds.items()}

    def expected_s(self, size: int) -> float:
        """Return the time that *size* items are to take; between known sizes on the line through them."""
        return _on_line(self._known, size) if self._known else _UNKNOWN_S

    def least_s(self, now_s: float) -> float:
        """Return the shortest time that one item took of late, or 0 where nothing ran: less is hopeless.

        Of a larger batch counts what one item alone would have taken.
        """
        while self._recent and self._recent[0][0] < now_s - _MEMORY_S:
            self._recent.popleft()
        return min((seconds for _, seconds in self._recent), default=0.0)


def _on_line(known: Mapping[int, float], size: int) -> float:
    """Return the time of *size*: between known sizes on the line through them, beyond in proportion."""
    if size in known:
        return known[size]
    sizes = sorted(known)
    place = bisect_left(sizes, size)
    if place == 0:
        return known[sizes[0]]
    if place == len(sizes):
        return known[sizes[-1]] * size / sizes[-1]
    low, high = sizes[place - 1], sizes[place]
    share = (size - low) / (high - low)
    return known[low] + share * (known[high] - known[low])
