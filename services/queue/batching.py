"""How many items a free server gets: what is there, up to what the tightest deadline allows. Pure policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def limits_s(most: int, free_in_s: float, service_s: Callable[[int], float]) -> list[float]:
    """Return, for batches of 1 to *most*, the least time that each of its items must have left.

    *free_in_s* is when the server starts with it, ``service_s(k)`` how long k items then take.
    """
    wait_s = max(0.0, free_in_s)
    return [wait_s + service_s(size) for size in range(1, most + 1)]


def fit(left_s: Sequence[float], limits: Sequence[float]) -> int:
    """Return how many of the items at the front, with *left_s* until their deadlines, make one batch.

    The first goes always, if only alone; each other one goes with it as long as the batch, one longer, is in time
    for all of its items. What does not fit stays at the front. (claim.lua does this inside of Redis.)
    """
    tightest = float("inf")
    for size, left in enumerate(left_s[: len(limits)], start=1):
        tightest = min(tightest, left)
        if size > 1 and tightest < limits[size - 1]:
            return size - 1
    return min(len(left_s), len(limits))
