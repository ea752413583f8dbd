"""Whom to let in: the predicted wait against the deadline. Pure policy.

The servers of a model drain its queue at a rate that follows from their measured service times; an item is
answered when those before it are, and its own batch. What cannot be in time is refused before anything is stored.
"""

from __future__ import annotations

import math

from services.queue.plan import Plan

NO_REPLICA = -2
HOPELESS = -1
_MARGIN_S = 0.005
_SHORTEST_RETRY_S = 0.1
_LONGEST_RETRY_S = 60.0
_NO_REPLICA_RETRY_S = 1.0


def max_ahead(plan: Plan, remaining_s: float) -> int:
    """Return how many items may go before one that has *remaining_s*, for it to be answered in time.

    NO_REPLICA where nobody serves the model; HOPELESS where even an empty queue were too long. An item that nothing
    goes before is let in whenever it has as long as the fastest service lately seen: the estimate, which may
    be of worse days, is put right only by running.
    """
    if not plan.replicas:
        return NO_REPLICA
    if remaining_s <= plan.least_s:
        return HOPELESS
    spare_s = remaining_s - plan.at_best_s - _MARGIN_S
    return max(0, math.floor(plan.share * spare_s * plan.drain_rate))


def left_s(plan: Plan, ahead: int) -> float:
    """Return how long until an item is answered that so many go before; infinite where nobody serves the model."""
    return ahead / plan.drain_rate + plan.at_best_s if plan.drain_rate else math.inf


def retry_after_s(plan: Plan, reason: str, ahead: int, allowed: int) -> float:
    """Return after how long another try has a chance: when as many are answered as stood in the way."""
    if reason == "no_replica" or plan.drain_rate == 0:
        return _NO_REPLICA_RETRY_S
    excess = ahead - max(0, allowed) if reason == "deadline" else max(1, ahead // 2)
    return min(_LONGEST_RETRY_S, max(_SHORTEST_RETRY_S, excess / plan.drain_rate))
