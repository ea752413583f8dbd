"""What growth costs: more models registered, more requests waiting, more gateway processes."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec

from loadtests.bench import load, pictures
from loadtests.bench.load import Source
from loadtests.bench.models import Model, echo_model
from loadtests.bench.plan import Plan
from loadtests.bench.registered import register
from loadtests.bench.suite import Suite
from loadtests.http import CONTENT_TYPE, form

MODELS = (1, 8, 64)
WAITING = (0, 1_000, 100_000)
GATEWAYS = (1, 2, 4)
_CLIENTS = 32
_IMAGES_EACH = 32
_MOST_ITEMS = 200_000
_WAITS_S = 80_000.0


class Point(msgspec.Struct, frozen=True):
    """Requests a second and CPU of all parts for each, where *of* is so much."""

    of: int
    ok_per_s: float
    cpu_us: float


class Growth(msgspec.Struct, frozen=True):
    """The no-op model with 50 KB bodies, at saturation.

    Waiting requests are another model's, asynchronous ones of 32 small pictures each; it does eight pictures a second,
    and the CPU that it takes meanwhile is in the figure too.
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
    slow = echo_model(plan.home, "slow", delay_s=1.0)
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
    """Measure with *count* more pictures waiting for the slow model."""
    body = form("waiting.jpg", Path(pictures.of_bytes(200, plan.home).file).read_bytes(), copies=_IMAGES_EACH)
    headers = {"Content-Type": CONTENT_TYPE, "Prefer": "respond-async", "X-Request-Timeout-S": f"{_WAITS_S:g}"}
    with httpx.Client(base_url=f"http://{suite.direct}", headers=headers, timeout=60) as http:
        for _ in range(0, count, _IMAGES_EACH):
            http.post(f"/api/vision/v3/predict/{slow.task}?q={slow.key}", content=body).raise_for_status()
    return _point(count, plan, suite)
