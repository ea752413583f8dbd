"""How many items a free server gets: what is there, up to what the tightest deadline allows. Pure policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

_WORTH = 1.15


def limits_s(most: int, free_in_s: float, service_s: Callable[[int], float]) -> list[float]:
    """Return, for batches of 1 to *most*, the least time that each of its items must have left.

    *free_in_s* is when the server starts with it, ``service_s(k)`` how long k items then take.
    """
    wait_s = max(0.0, free_in_s)
    return [wait_s + service_s(size) for size in range(1, most + 1)]


def choose(
    left_s: Sequence[float], limits: Sequence[float], *, least_s: float = 0.0, alone_s: float = math.inf
) -> tuple[list[int], list[int]]:
    """Return the places of the items that make the next batch, and of those that are answered 504 instead.

    *left_s* is what each waiting item has until its deadline, in order; *limits* is what ``limits_s`` gave, *least_s*
    the fastest service lately seen, *alone_s* what one item takes at the server that would have it first. Hopeless is
    what has not even the least, and what would most likely be late even alone while another waits behind it (the last
    one is tried, so that times which have become better are noticed). What only another server can do in time is left
    to it. An item joins as long as the batch, one longer, is in time for all of its items; the first that does not
    stays at the front. claim.lua does this inside of Redis.
    """
    alone_s = min(alone_s, limits[0])
    taken: list[int] = []
    hopeless: list[int] = []
    tightest = float("inf")
    for place, left in enumerate(left_s):
        if len(taken) == len(limits):
            break
        last = place == len(left_s) - 1
        if left <= 0 or left < least_s or (left < alone_s and not last):
            hopeless.append(place)
        elif alone_s <= left < limits[0]:
            continue
        elif taken and min(tightest, left) < limits[len(taken)]:
            break
        else:
            taken.append(place)
            tightest = min(tightest, left)
    return taken, hopeless


def enough(returning: int, within_s: float, most: int, one_s: float, most_s: float) -> int:
    """Return how many must wait for a batch to be worth starting now, where *returning* more will be there *within_s*.

    *one_s* and *most_s* are what batches of 1 and of *most* take. Of the two batches, the one that does more items in
    its time is the better, idle time included; clearly more, since some will come too late and wait for all of it.
    """
    each_s = (most_s - one_s) / (most - 1) if most > 1 else 0.0

    def per_s(items: int, idle_s: float) -> float:
        return items / (idle_s + one_s + (items - 1) * each_s)

    for waiting in range(1, most):
        if per_s(min(waiting + returning, most), within_s) < _WORTH * per_s(waiting, 0.0):
            return waiting
    return most
