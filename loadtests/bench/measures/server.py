"""The model server alone: how near it comes to the bare model, and what it costs by itself."""

from __future__ import annotations

import msgspec

from loadtests.bench import bare
from loadtests.bench.bare import Bare
from loadtests.bench.figures import median
from loadtests.bench.model_server import ModelServer
from loadtests.bench.models import Model
from loadtests.bench.plan import Plan

_ECHO_BATCH = 8


class Announced(msgspec.Struct, frozen=True):
    """What the server found at its warm-up."""

    best_batch_size: int
    concurrency: int


class Server(msgspec.Struct, frozen=True):
    """A model's figures, pictures a second: *served* by batch size, and *ratio*, its best over the bare model's."""

    model: str
    announced: Announced
    tried: list[Bare]
    best: Bare
    bare_per_s: float
    served_per_s: dict[int, float]
    ratio: float


class ServerFigures(msgspec.Struct, frozen=True):
    """The server's CPU for one item at batch 8 with a model that does nothing: read in shared memory, and sent."""

    models: list[Server]
    echo_cpu_us: float
    echo_items_per_s: float
    echo_sent_cpu_us: float
    echo_sent_items_per_s: float


def measure(plan: Plan) -> ServerFigures:
    """Return the figures of the real models, and of one that does nothing."""
    real = [_of(model, plan) for model in plan.measured]
    with ModelServer(plan.home / "server", plan.echo) as server:
        shared, sent = (
            server.run([plan.body], _ECHO_BATCH, seconds=plan.lasts(8.0, quick=4.0), shared=shared)
            for shared in (True, False)
        )
    return ServerFigures(real, shared.cpu_us, shared.items_per_s, sent.cpu_us, sent.items_per_s)


def _of(model: Model, plan: Plan) -> Server:
    tried = bare.run(
        model, plan.photographs_folder, bare.ways(plan.cores, quick=plan.quick), seconds=plan.lasts(2.5, quick=1.0)
    )
    best = bare.best(tried)
    with ModelServer(plan.home / "server", model) as server:
        announced = Announced(server.capacity.best_batch_size, server.capacity.concurrency)
        sizes = sorted({announced.best_batch_size, min(_ECHO_BATCH, server.capacity.max_batch_size)})
        alone: list[float] = []
        served: dict[int, list[float]] = {size: [] for size in sizes}
        for _ in plan.turns:
            [turn] = bare.run(model, plan.photographs_folder, [best.way], seconds=plan.lasts(8.0, quick=4.0))
            alone.append(turn.items_per_s)
            for size in sizes:
                served[size].append(server.run(plan.photographs, size, seconds=plan.lasts(8.0, quick=4.0)).items_per_s)
    per_s = {size: median(rates) for size, rates in served.items()}
    return Server(model.key, announced, tried, best, median(alone), per_s, max(per_s.values()) / median(alone))
