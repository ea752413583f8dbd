"""Which replica the next batch goes to: the one that will be free first. Pure policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Load(NamedTuple):
    """What routing needs to know of a replica: when each of its batches is to end, in the clock of the caller.

    *lead_s* is the time from a claim until the batch is ready to run at the server; *next_s* the earliest time of its
    next batch, as long as one is there: it costs time to hand one over, the more the busier the machine is, and what
    comes meanwhile goes along. *guest*: a newcomer's item is there, beside the batches. *one_s* is what one item takes.
    """

    concurrency: int
    ends_s: Sequence[float]
    usable: bool
    lead_s: float = 0.0
    next_s: float = 0.0
    guest: bool = False
    one_s: float = 0.0


def free_in_s(load: Load, now_s: float) -> float:
    """Return how long until an execution of the replica is free for one more batch (0: now)."""
    over = len(load.ends_s) - load.concurrency
    return 0.0 if over < 0 else max(0.0, sorted(load.ends_s)[over] - now_s)


def has_room(load: Load) -> bool:
    """Say whether it may get a batch: ``concurrency`` of them run, and one more waits at the server."""
    return load.usable and len(load.ends_s) <= load.concurrency


def opens_in_s(load: Load, now_s: float) -> float:
    """Return how long until the replica should get its next batch.

    A free one now. A busy one so long before it gets free that the batch is ready then, and no sooner: what comes
    until then makes the batch fuller, and the order of those who wait stays open.
    """
    spaced_s = load.next_s - now_s if load.ends_s else 0.0
    return max(0.0, spaced_s, free_in_s(load, now_s) - load.lead_s)


def choose(loads: Sequence[Load], now_s: float) -> int | None:
    """Return the place of the replica with room that is free first, or None.

    Among equals it is the one with the least to do, and then the quickest.
    """
    return _least(loads, has_room, lambda load: (free_in_s(load, now_s), len(load.ends_s), load.one_s))


def choose_idle(loads: Sequence[Load]) -> int | None:
    """Return the place of a usable replica that has nothing to do, or None."""
    return next((place for place, load in enumerate(loads) if load.usable and not load.ends_s and not load.guest), None)


def choose_to_empty(loads: Sequence[Load]) -> int | None:
    """Return the place of the usable replica with the least to do: the one to keep free for a suspect."""
    return _least(loads, lambda load: load.usable, lambda load: (len(load.ends_s),))


def choose_host(loads: Sequence[Load]) -> int | None:
    """Return the place of the usable replica without a guest that one is back from first, or None.

    It shares the replica with each batch there; among equals it is the one with the least to do.
    """
    return _least(
        loads,
        lambda load: load.usable and not load.guest,
        lambda load: (load.one_s * (1 + len(load.ends_s)), len(load.ends_s)),
    )


def _least(loads: Sequence[Load], may: Callable[[Load], bool], key: Callable[[Load], tuple[float, ...]]) -> int | None:
    places = [place for place, load in enumerate(loads) if may(load)]
    return min(places, key=lambda place: key(loads[place]), default=None)
