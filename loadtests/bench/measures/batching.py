"""The batches that form by themselves: clients that ask one thing after another, of a model that takes as long for one
as for many, as accelerators nearly do.
"""

from __future__ import annotations

import msgspec

from loadtests.bench import load
from loadtests.bench.figures import median
from loadtests.bench.load import Source
from loadtests.bench.models import echo_model
from loadtests.bench.plan import Plan
from loadtests.bench.suite import Suite

BATCH_S = 0.02
CLIENTS = (2, 8, 16, 32)
_ONE_EXECUTION = {"concurrency": 1, "max_batch_size": max(CLIENTS)}


class Batching(msgspec.Struct, frozen=True):
    """*clients* have *ok_per_s* requests answered a second, of the *most_per_s* of batches that all of them are in."""

    clients: int
    ok_per_s: float
    most_per_s: float
    p50_ms: float

    @property
    def share(self) -> float:
        """What is had of the most that can be; half of it where clients are run in two halves."""
        return self.ok_per_s / self.most_per_s


def measure(plan: Plan) -> list[Batching]:
    """Return the figures for some clients, and for more."""
    model = echo_model(plan.home, "fixed", delay_s=BATCH_S)
    with Suite(plan.home / "batching", [model], _ONE_EXECUTION) as suite:
        parts, found = suite.parts(), []
        for clients in CLIENTS:
            source = Source(model, [plan.body], clients=clients)
            seen = [
                load.run(suite.direct, parts, [source], seconds=plan.lasts(4.0, quick=2.0)).first for _ in plan.turns
            ]
            rate, p50_ms = median([one.ok_per_s for one in seen]), median([one.p50_ms for one in seen])
            found.append(Batching(clients, rate, clients / BATCH_S, p50_ms))
    return found
