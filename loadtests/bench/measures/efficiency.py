"""How much of the bare model's throughput the suite delivers on the same cores, at saturation.

The bare model is tried in every way that might be its best; then the best one and the suite take turns, so that a
machine that slows down or speeds up does so for both.
"""

from __future__ import annotations

import msgspec

from loadtests.bench import bare, load
from loadtests.bench.bare import Bare
from loadtests.bench.figures import Summary, median
from loadtests.bench.load import Source
from loadtests.bench.models import Model
from loadtests.bench.plan import Plan
from loadtests.bench.suite import Suite

CLIENTS = 32


class Round(msgspec.Struct, frozen=True):
    """One turn of each: pictures a second."""

    bare: float
    direct: float
    nginx: float


class Efficiency(msgspec.Struct, frozen=True):
    """A model's figures; the ratios are of the medians over the rounds."""

    model: str
    task: str
    tried: list[Bare]
    best: Bare
    served_threads: int
    served_concurrency: int
    rounds: list[Round]
    bare_per_s: float
    direct_per_s: float
    nginx_per_s: float
    efficiency: float
    efficiency_nginx: float
    saturated: Summary


def measure(plan: Plan, suite: Suite) -> list[Efficiency]:
    """Return the efficiency of each real model."""
    return [_of(model, plan, suite) for model in plan.measured]


def _of(model: Model, plan: Plan, suite: Suite) -> Efficiency:
    tried = bare.run(
        model, plan.photographs_folder, bare.ways(plan.cores, quick=plan.quick), seconds=plan.lasts(2.5, quick=1.0)
    )
    best = bare.best(tried)
    parts, seconds = suite.parts(), plan.lasts(12.0, quick=5.0)
    source = Source(model, plan.photographs, clients=CLIENTS)
    rounds = []
    for _ in plan.turns:
        [alone] = bare.run(model, plan.photographs_folder, [best.way], seconds=plan.lasts(8.0, quick=4.0))
        direct = load.run(suite.direct, parts, [source], seconds=seconds).first
        nginx = load.run(suite.front, parts, [source], seconds=seconds).first
        rounds.append(Round(alone.items_per_s, direct.ok_per_s, nginx.ok_per_s))
    bare_per_s = median([each.bare for each in rounds])
    direct_per_s, nginx_per_s = median([each.direct for each in rounds]), median([each.nginx for each in rounds])
    served = suite.tuned(model)
    return Efficiency(
        model=model.key,
        task=model.task,
        tried=tried,
        best=best,
        served_threads=served.threads,
        served_concurrency=served.concurrency,
        rounds=rounds,
        bare_per_s=bare_per_s,
        direct_per_s=direct_per_s,
        nginx_per_s=nginx_per_s,
        efficiency=direct_per_s / bare_per_s,
        efficiency_nginx=nginx_per_s / bare_per_s,
        saturated=direct,
    )
