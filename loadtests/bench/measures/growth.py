"""What growth costs: more models registered, more requests waiting, more gateway processes.

A suite that grows and one that stays as it is take turns, so that a machine that slows down or speeds up does so for
both.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec

from loadtests.bench import load, pictures
from loadtests.bench.figures import median
from loadtests.bench.load import Load, Source
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
    """Requests a second and CPU of all parts for each, where *of* is so much; and how many times the CPU that is of the
    suite beside it, which has one model, nothing waiting and the gateways of a fresh installation.
    """

    of: int
    ok_per_s: float
    cpu_us: float
    cpu_times: float


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
    with Suite(plan.home / "plain", [plan.echo]) as plain:
        turns = Turns(plan, plain)
        gateways = [_with_gateways(count, plan, turns) for count in GATEWAYS]
        slow = echo_model(plan.home, "slow", delay_s=1.0)
        settings = {"queue_max_items": _MOST_ITEMS}
        with Suite(plan.home / "growth", [plan.echo, slow], settings) as suite:
            models = [_with_models(count, suite, turns) for count in MODELS]
            waiting = [_with_waiting(count, slow, plan, suite, turns) for count in WAITING]
    return Growth(models, waiting, gateways)


class Turns:
    """Holds one suite after the other against *plain*."""

    def __init__(self, plan: Plan, plain: Suite) -> None:
        self._plan, self._plain = plan, plain

    def point(self, of: int, suite: Suite) -> Point:
        """Return the medians of *suite*, in turns with the plain one."""
        pairs = [(self._load(suite), self._load(self._plain)) for _ in self._plan.turns]
        return Point(
            of,
            median([grown.first.ok_per_s for grown, _ in pairs]),
            median([grown.suite_cpu_us for grown, _ in pairs]),
            median([grown.suite_cpu_us / plain.suite_cpu_us for grown, plain in pairs]),
        )

    def _load(self, suite: Suite) -> Load:
        source = Source(self._plan.echo, [self._plan.body], clients=_CLIENTS)
        return load.run(suite.direct, suite.parts(), [source], seconds=self._plan.lasts(4.0, quick=3.0))


def _with_gateways(count: int, plan: Plan, turns: Turns) -> Point:
    with Suite(plan.home / "growth", [plan.echo], {"gateway_workers": count}) as suite:
        return turns.point(count, suite)


def _with_models(count: int, suite: Suite, turns: Turns) -> Point:
    register(suite.registry, range(2, count + 1))
    return turns.point(count, suite)


def _with_waiting(count: int, slow: Model, plan: Plan, suite: Suite, turns: Turns) -> Point:
    """Measure with *count* more pictures waiting for the slow model."""
    body = form("waiting.jpg", Path(pictures.of_bytes(200, plan.home).file).read_bytes(), copies=_IMAGES_EACH)
    headers = {"Content-Type": CONTENT_TYPE, "Prefer": "respond-async", "X-Request-Timeout-S": f"{_WAITS_S:g}"}
    with httpx.Client(base_url=f"http://{suite.direct}", headers=headers, timeout=60) as http:
        for _ in range(0, count, _IMAGES_EACH):
            http.post(f"/api/vision/v3/predict/{slow.task}?q={slow.key}", content=body).raise_for_status()
    return turns.point(count, suite)
