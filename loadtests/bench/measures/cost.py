"""What a request costs apart from its model: CPU of every process with a model that does nothing, at saturation."""

from __future__ import annotations

import msgspec

from loadtests.bench import load
from loadtests.bench.load import Load, Source
from loadtests.bench.plan import BODY_BYTES, Plan
from loadtests.bench.suite import Suite

CLIENTS = 64


class Cost(msgspec.Struct, frozen=True):
    """CPU of each part for one request (microseconds), and each part's memory after the load."""

    body_bytes: int
    clients: int
    direct: Load
    nginx: Load
    cpu_us_per_request: float
    memory_bytes: dict[str, int]


def measure(plan: Plan, suite: Suite) -> Cost:
    """Return what a request of 50 KB costs, direct to the gateways and through nginx."""
    parts, seconds = suite.parts(), plan.lasts(15.0, quick=5.0)
    source = Source(plan.echo, [plan.body], clients=CLIENTS)
    direct = load.run(suite.direct, parts, [source], seconds=seconds)
    nginx = load.run(suite.front, parts, [source], seconds=seconds)
    return Cost(
        body_bytes=BODY_BYTES,
        clients=CLIENTS,
        direct=direct,
        nginx=nginx,
        cpu_us_per_request=direct.suite_cpu_us,
        memory_bytes=suite.memory_bytes(),
    )
