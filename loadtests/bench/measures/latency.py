"""How long answers take: under load that arrives by chance, and one at a time beside the bare model."""

from __future__ import annotations

import msgspec

from loadtests.bench import bare, load
from loadtests.bench.bare import ALONE
from loadtests.bench.figures import Summary, median
from loadtests.bench.load import Source
from loadtests.bench.plan import Plan
from loadtests.bench.suite import Suite

SHARES = (0.25, 0.5, 0.8)
_CLIENTS = 32


class AtShare(msgspec.Struct, frozen=True):
    """Poisson arrivals at a share of the capacity."""

    share: float
    rate: float
    seen: Summary


class OneAtATime(msgspec.Struct, frozen=True):
    """One picture after the other: milliseconds, medians. *bare* has the engine's threads as they are served,
    *bare_best* the number of threads that is quickest for one; *echo* is the path without a model.
    """

    bare_ms: float
    bare_best_ms: float
    direct_ms: float
    nginx_ms: float
    echo_ms: float
    added_ms: float
    added_nginx_ms: float


class Latency(msgspec.Struct, frozen=True):
    """The detector's figures, straight to the gateways but where nginx is named."""

    model: str
    capacity_per_s: float
    shares: list[AtShare]
    alone: OneAtATime


def measure(plan: Plan, suite: Suite) -> Latency:
    """Return the detector's latencies."""
    parts = suite.parts()
    full = Source(plan.detector, plan.photographs, clients=_CLIENTS)
    capacity = load.run(suite.direct, parts, [full], seconds=plan.lasts(12.0, quick=4.0)).first.ok_per_s
    shares = [AtShare(share, share * capacity, _at(share * capacity, plan, suite, parts)) for share in SHARES]
    return Latency(plan.detector.key, capacity, shares, _one_at_a_time(plan, suite, parts))


def _at(rate: float, plan: Plan, suite: Suite, parts: dict[str, int]) -> Summary:
    source = Source(plan.detector, plan.photographs, rate=rate)
    return load.run(suite.direct, parts, [source], seconds=plan.lasts(45.0, quick=5.0)).first


def _one_at_a_time(plan: Plan, suite: Suite, parts: dict[str, int]) -> OneAtATime:
    """Take turns between the bare model and the suite."""
    served = suite.tuned(plan.detector).threads
    threads = sorted({served, plan.cores})
    alone: dict[str, list[float]] = {"bare": [], "best": [], "direct": [], "nginx": [], "echo": []}
    for _ in plan.turns:
        ways = [ALONE._replace(threads=count) for count in threads]
        tried = bare.run(plan.detector, plan.photographs_folder, ways, seconds=plan.lasts(5.0, quick=2.0))
        times = {one.threads: 1000.0 * one.batch_p50_s for one in tried}
        alone["bare"].append(times[served])
        alone["best"].append(min(times.values()))
        for name, address, model in (
            ("direct", suite.direct, plan.detector),
            ("nginx", suite.front, plan.detector),
            ("echo", suite.direct, plan.echo),
        ):
            pictures = [plan.body] if model is plan.echo else plan.photographs
            source = Source(model, pictures, clients=1)
            seen = load.run(address, parts, [source], seconds=plan.lasts(6.0, quick=3.0)).first
            alone[name].append(seen.p50_ms)
    of = {name: median(values) for name, values in alone.items()}
    return OneAtATime(
        bare_ms=of["bare"],
        bare_best_ms=of["best"],
        direct_ms=of["direct"],
        nginx_ms=of["nginx"],
        echo_ms=of["echo"],
        added_ms=of["direct"] - of["bare"],
        added_nginx_ms=of["nginx"] - of["bare"],
    )
