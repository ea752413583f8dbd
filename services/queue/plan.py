"""What a dispatcher tells the gateways of one model, so that admission can predict the wait."""

from __future__ import annotations

import math
from functools import cached_property

import msgspec

from services.queue import trust

_NOISE = 0.1
_SHARE_NOISE = 0.025
_UNKNOWN_SERVICE_S = 0.01


class ReplicaPlan(msgspec.Struct, frozen=True):
    """One live model server: how many batches it runs side by side, and the seconds that a batch of each size takes.

    ``service_s[k-1]`` is for k items, up to the size at which it is fed. *memory* is the shared memory in which it
    reads payloads; '': they are sent.
    """

    concurrency: int
    service_s: list[float]
    memory: str = ""

    def best_rate(self) -> float:
        """Return the items per second that it answers at its best batch size."""
        rates = [size / max(seconds, 1e-6) for size, seconds in enumerate(self.service_s, start=1)]
        return self.concurrency * max(rates, default=1 / _UNKNOWN_SERVICE_S)

    def at_best_s(self) -> float:
        """Return how long a batch of that size takes."""
        sizes = list(enumerate(self.service_s, start=1))
        return min(sizes, key=lambda pair: pair[1] / pair[0])[1] if sizes else _UNKNOWN_SERVICE_S


class Plan(msgspec.Struct, frozen=True, dict=True):
    """The state of a model's service at one moment; *version* is new with every change.

    *least_s* is the shortest service lately seen: with less time left, nothing can be answered. *share* is how much of
    the room that it predicts is given away (trust.py).
    """

    version: str
    replicas: list[ReplicaPlan]
    least_s: float
    max_items: int
    max_bytes: int
    share: float = trust.MOST

    @cached_property
    def drain_rate(self) -> float:
        """The items per second that all replicas answer together, each at its best batch size; 0 without any."""
        return sum(replica.best_rate() for replica in self.replicas)

    @cached_property
    def at_best_s(self) -> float:
        """How long the shortest of their best batches takes; infinite without any."""
        return min((replica.at_best_s() for replica in self.replicas), default=math.inf)

    @cached_property
    def memory(self) -> str:
        """The shared memory in which all of them read payloads; '' where there is none."""
        memories = {replica.memory for replica in self.replicas}
        return memories.pop() if len(memories) == 1 else ""

    def json(self) -> bytes:
        """Return it as it is published."""
        return msgspec.json.encode(self)

    def is_close_to(self, other: Plan) -> bool:
        """Say whether *other* would lead admission to the same decisions, but for noise of a tenth."""

        def shape(plan: Plan) -> tuple[object, ...]:
            of_each = [(replica.concurrency, len(replica.service_s), replica.memory) for replica in plan.replicas]
            return plan.max_items, plan.max_bytes, of_each

        def times(plan: Plan) -> list[float]:
            return [plan.least_s, *(seconds for replica in plan.replicas for seconds in replica.service_s)]

        return (
            shape(self) == shape(other)
            and math.isclose(self.share, other.share, abs_tol=_SHARE_NOISE)
            and all(
                math.isclose(mine, theirs, rel_tol=_NOISE, abs_tol=0.0005)
                for mine, theirs in zip(times(self), times(other), strict=True)
            )
        )


NO_PLAN = Plan(version="", replicas=[], least_s=0.0, max_items=0, max_bytes=0)
_PLANS = msgspec.json.Decoder(Plan)


def read_plan(text: bytes) -> Plan:
    """Return a plan as it was published."""
    return _PLANS.decode(text)
