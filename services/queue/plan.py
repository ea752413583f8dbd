"""What a dispatcher tells the gateways of one model, so that admission can predict the wait."""

from __future__ import annotations

import math

import msgspec

_NOISE = 0.1


class ReplicaPlan(msgspec.Struct, frozen=True):
    """One live model server: how many batches it runs side by side, and the seconds that a batch of each size takes.

    ``service_s[k-1]`` is for k items, up to the size at which it is fed.
    """

    concurrency: int
    service_s: list[float]


class Plan(msgspec.Struct, frozen=True):
    """The state of a model's service at one moment; *version* is new with every change.

    *least_s* is the shortest service lately seen: with less time left, nothing can be answered.
    """

    version: str
    replicas: list[ReplicaPlan]
    least_s: float
    max_items: int
    max_bytes: int

    def json(self) -> bytes:
        """Return it as it is published."""
        return msgspec.json.encode(self)

    def is_close_to(self, other: Plan) -> bool:
        """Say whether *other* would lead admission to the same decisions, but for noise of a tenth."""

        def shape(plan: Plan) -> tuple[object, ...]:
            return plan.max_items, plan.max_bytes, [(r.concurrency, len(r.service_s)) for r in plan.replicas]

        def times(plan: Plan) -> list[float]:
            return [plan.least_s, *(seconds for replica in plan.replicas for seconds in replica.service_s)]

        return shape(self) == shape(other) and all(
            math.isclose(mine, theirs, rel_tol=_NOISE, abs_tol=0.0005)
            for mine, theirs in zip(times(self), times(other), strict=True)
        )


NO_PLAN = Plan(version="", replicas=[], least_s=0.0, max_items=0, max_bytes=0)
_PLANS = msgspec.json.Decoder(Plan)


def read_plan(text: bytes) -> Plan:
    """Return a plan as it was published."""
    return _PLANS.decode(text)
