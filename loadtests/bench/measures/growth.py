"""What growth costs: more models registered, more requests waiting, more gateway processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from loadtests.bench import load, pictures
from loadtests.bench.generator import Order
from loadtests.bench.load import Source
from loadtests.bench.models import Model, echo_model
from loadtests.bench.plan import Plan
from loadtests.bench.registered import register
from loadtests.bench.suite import Suite

MODELS = (1, 8, 64)
WAITING = (0, 1_000, 10_000)
GATEWAYS = (1, 2, 4)
_CLIENTS = 32
_IMAGES_EACH = 32
_MOST_ITEMS = 20_000
_FILL_S = 6.0
_WAIT_TIMEOUT_S = 120.0
_LONGEST_S = 3600.0


class Point(msgspec.Struct, frozen=True):
    """Requests a second and CPU of all parts for each, where *of* is so much."""

    of: int
    ok_per_s: float
    cpu_us: float


class Growth(msgspec.Struct, frozen=True):
    """The no-op model with 50 KB bodies, at saturation.

    Waiting requests are another model's, 32 small pictures each; the CPU that this model takes meanwhile is in the
    figure too.
    """

    models: list[Point]
    waiting: list[Point]
    gateways: list[Point]


def measure(plan: Plan) -> Growth:
    """Return what grows with what."""
    gateways = []
    for count in GATEWAYS:
        with Suite(plan.home / "growth", [plan.echo], {"gateway_workers": count}) as suite:
            gateways.append(_point(count, plan, suite))
    slow = echo_model(plan.home, "slow", delay_s=0.12, delay_per_item_s=0.005)
    settings = {"queue_max_items": _MOST_ITEMS}
    with Suite(plan.home / "growth", [plan.echo, slow], settings) as suite:
        models = [_with_models(count, plan, suite) for count in MODELS]
        waiting = [_with_waiting(count, slow, plan, suite) for count in WAITING]
    return Growth(models, waiting, gateways)


def _point(of: int, plan: Plan, suite: Suite) -> Point:
    source = Source(plan.echo, [plan.body], clients=_CLIENTS)
    seen = load.run(suite.direct, suite.parts(), [source], seconds=plan.lasts(8.0, quick=3.0))
    return Point(of, seen.first.ok_per_s, seen.suite_cpu_us)


def _with_models(count: int, plan: Plan, suite: Suite) -> Point:
    register(suite.registry, range(2, count + 1))
    return _point(count, plan, suite)


def _with_waiting(count: int, slow: Model, plan: Plan, suite: Suite) -> Point:
    with _filled(count, slow, plan.home, suite):
        return _point(count, plan, suite)


@contextmanager
def _filled(count: int, slow: Model, home: Path, suite: Suite) -> Iterator[None]:
    """Keep about *count* pictures waiting for the slow model; those who wait hang up at the end."""
    if not count:
        yield
        return
    order = Order(
        address=suite.direct,
        path=f"/api/vision/v3/predict/{slow.task}?q={slow.key}",
        pictures=[pictures.of_bytes(200, home)],
        end_at=time.monotonic() + _LONGEST_S,
        clients=count // _IMAGES_EACH,
        headers={"X-Request-Timeout-S": f"{_WAIT_TIMEOUT_S:g}"},
        copies=_IMAGES_EACH,
    )
    filler = load.start_generator(home / "filler.json", order)
    try:
        time.sleep(_FILL_S)
        yield
    finally:
        filler.kill()
        filler.wait()
