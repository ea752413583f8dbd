"""Refusals of a moment ago, so that what must be refused again is not asked again. Pure: the time is an argument.

Under overload most requests are refused, and each one that is taken to Redis to hear so takes its picture along: time
that the model does not get. As long as the queue cannot have become short enough, the answer is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_SHARE_OF_QUEUE = 0.1
LONGEST_S = 0.05
"""However long a queue is, after so long it is asked: others may have been cancelled, or become late."""


class Who(NamedTuple):
    """Whose place in which line: each client of each class has its own."""

    model: str
    priority: str
    client: str


@dataclass
class Refusal:
    """*ahead* items stood before one that *allowed* so many, by the plan *version*; so until *until_s*."""

    version: str
    ahead: int
    allowed: int
    until_s: float
    repeated: int = 0


class Refusals:
    """Those that hold."""

    def __init__(self) -> None:
        self._held: dict[Who, Refusal] = {}

    def note(self, who: Who, refusal: Refusal) -> None:
        """Hold a refusal, until it is forgotten."""
        self._held[who] = refusal

    def again(self, who: Who, version: str, allowed: int, now_s: float) -> Refusal | None:
        """Return the refusal that holds for one more that allows *allowed* before it, and count it; or None."""
        held = self._held.get(who)
        if held is None or held.version != version or allowed > held.allowed or now_s >= held.until_s:
            return None
        held.repeated += 1
        return held

    def forget(self, who: Who) -> int:
        """Hold it no longer; return how often it was repeated."""
        held = self._held.pop(who, None)
        return held.repeated if held else 0


def lasts_s(ahead: int, allowed: int, drain_rate: float) -> float:
    """Return for how long a refusal holds, where *drain_rate* items are answered a second.

    That is until as many are answered as stood in the way, or a tenth of all: what is let in so much later still comes
    long before the servers have nothing to do.
    """
    excess = ahead - max(0, allowed)
    if excess <= 0 or drain_rate <= 0:
        return 0.0
    return min(LONGEST_S, max(excess, _SHARE_OF_QUEUE * ahead) / drain_rate)
