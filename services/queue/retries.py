"""When to try an item again that its server failed with, and when to give it up. Pure policy."""

from __future__ import annotations

import random
from collections.abc import Callable

FAILURES_TO_GIVE_UP = 3


def delay_s(
    failures: int,
    left_s: float,
    *,
    first_s: float = 0.05,
    longest_s: float = 2.0,
    jitter: Callable[[], float] = random.random,
) -> float:
    """Return the wait after so many *failures* (1 and up), doubling up to *longest_s*.

    It is drawn from the upper half of its range, so that items which failed together do not come back
    together, and is never more than half of what is left until the deadline.
    """
    full = min(longest_s, first_s * 2.0 ** (failures - 1))
    return max(0.0, min(full * (0.5 + 0.5 * jitter()), left_s / 2))


def gives_up(failures: int) -> bool:
    """Say whether an item has failed so often that it is to blame itself."""
    return failures >= FAILURES_TO_GIVE_UP
