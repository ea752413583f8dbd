"""Whether those who are answered just now are about to ask again. Pure: time comes as an argument.

Clients that ask one thing after another come back all at once, right after their batch. A server that takes at once
what is there would run them for ever in two halves that wait for each other; one that stands idle a moment longer runs
them all together (S. Iyer and P. Druschel, *Anticipatory Scheduling: A Disk Scheduling Framework to Overcome Deceptive
Idleness in Synchronous I/O*, SOSP 2001). Where requests come whenever they like, nothing is waited for.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from services.queue.batching import enough

_WINDOW = 64
_FEWEST = 16
_MOST_COME = 0.9
_PROMPT = 0.5
"""Of the time between two batches. What comes at any time comes evenly spread over all of it."""
_USUAL = 0.75
_SPARE_S = 0.001
_FORGET = 2.0
"""Times between two batches, after which nobody is owed a return any more."""


class Next(NamedTuple):
    """The next batch of a replica: of *most* items at the most; *one_s* and *most_s* are what 1 and so many take.

    *free* executions of the model could run it now. Where the replica has none, that is 0, and *back_next* are the
    items that come back from it first.
    """

    most: int
    one_s: float
    most_s: float
    free: int
    back_next: int


class Awaited(NamedTuple):
    """Who will likely ask again: *returning*, of those who were answered *age_s* ago and since.

    They are back *within_s* of when an execution is free. *free* executions share them. Where *enough* wait, they are
    not worth waiting for.
    """

    returning: int = 0
    age_s: float = 0.0
    within_s: float = 0.0
    free: int = 1
    enough: int = 0


NOBODY = Awaited()


@dataclass(slots=True)
class _Answered:
    """So many *items* that were answered at a time, and whose clients have not come again."""

    at_s: float
    items: int


class Anticipation:
    """When the clients of one model came after others, or they themselves, had been answered."""

    def __init__(self) -> None:
        self._ends_s: deque[float] = deque(maxlen=_WINDOW)
        self._gone: deque[_Answered] = deque(maxlen=_WINDOW)
        self._after_s: deque[float] = deque(maxlen=_WINDOW)
        self._between_s = 0.0
        self.within_s = 0.0
        """How long after a batch nine of ten are back; 0 where they come at any time, or that is not known."""

    def answered(self, items: int, now_s: float) -> None:
        """Note that a batch is back, and so many of its items are answered."""
        if not items:
            return
        self._ends_s.append(now_s)
        self._gone.append(_Answered(now_s, items))
        self._between_s = self._usual_gap_s()
        while self._gone[0].at_s < now_s - _FORGET * self._between_s:
            self._gone.popleft()

    def _usual_gap_s(self) -> float:
        """Return the time between two batches, whatever pauses there are, and how many end together."""
        gaps_s = [later_s - end_s for end_s, later_s in pairwise(self._ends_s)]
        return _quantile(gaps_s, _USUAL) if gaps_s else 0.0

    def came(self, accepted_s: Sequence[float]) -> None:
        """Note when those who are in the next batch were accepted, in their order."""
        for each_s in accepted_s:
            self._came(each_s)
        self.within_s = self._learned_s()

    def _came(self, accepted_s: float) -> None:
        """Take it for a return of who was answered first of those who have not returned; else for one of the last."""
        if self._gone and self._gone[0].at_s <= accepted_s:
            self._after_s.append(accepted_s - self._gone[0].at_s)
            self._gone[0].items -= 1
            if not self._gone[0].items:
                self._gone.popleft()
        elif place := bisect_right(self._ends_s, accepted_s):
            self._after_s.append(accepted_s - self._ends_s[place - 1])

    def _learned_s(self) -> float:
        if len(self._after_s) < _FEWEST:
            return 0.0
        within_s = _quantile(self._after_s, _MOST_COME) + _SPARE_S
        return within_s if within_s < _PROMPT * self._between_s else 0.0

    def awaited(self, batch: Next, now_s: float) -> Awaited:
        """Return who will likely come while *batch* may wait for them. All free executions share them."""
        if not self.within_s:
            return NOBODY
        returning, age_s = batch.back_next, 0.0
        if batch.free:
            owed = [gone for gone in self._gone if gone.at_s + self.within_s > now_s]
            returning, age_s = sum(gone.items for gone in owed), now_s - owed[0].at_s if owed else 0.0
        free = max(1, batch.free)
        least = enough(math.ceil(returning / free), self.within_s, batch.most, batch.one_s, batch.most_s)
        return Awaited(returning, age_s, self.within_s - age_s, free, least)


def _quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[int(share * len(ordered))]
