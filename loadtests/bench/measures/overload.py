"""What is left when more is asked than can be done: goodput, late answers, refusals, and another client's wait."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from loadtests.bench import load
from loadtests.bench.figures import Summary
from loadtests.bench.generator import Picture
from loadtests.bench.load import Load, Source
from loadtests.bench.models import Model
from loadtests.bench.plan import Plan
from loadtests.bench.suite import Suite

DEADLINE_S = 1.0
TIMES = (2, 4)
_CLIENTS = 32
_OTHERS_RATE = 3.0


class Overload(msgspec.Struct, frozen=True):
    """One model at *times* its capacity: *goodput* is what was answered within the deadline, as a share of the
    capacity; *late* are answers after it. *other* is a second client that asks now and then, *other_alone* the
    same client without the flood.
    """

    model: str
    times: int
    capacity_per_s: float
    offered_per_s: float
    goodput_per_s: float
    goodput: float
    late: int
    flood: Summary
    other: Summary
    other_alone: Summary
    cpu_us: dict[str, float]
    cores_busy: float


def measure(plan: Plan) -> list[Overload]:
    """Return the detector's figures, and those of a model that runs beside the CPU as on an accelerator.

    The suite is one of its own, which asks for API keys: a client is who has one.
    """
    with Suite(plan.home / "overload", [plan.detector, plan.paced], {"api_keys": "on"}) as suite:
        clients = Clients(suite.api_key("flood"), suite.api_key("other"))
        return [
            *_of(plan.detector, plan.photographs, clients, plan, suite),
            *_of(plan.paced, [plan.body], clients, plan, suite),
        ]


class Clients(NamedTuple):
    """The headers that tell who asks."""

    flood: dict[str, str]
    other: dict[str, str]


def _of(model: Model, pictures: list[Picture], clients: Clients, plan: Plan, suite: Suite) -> list[Overload]:
    parts, seconds = suite.parts(), plan.lasts(40.0, quick=6.0)
    full = Source(model, pictures, clients=_CLIENTS, headers=clients.flood)
    capacity = load.run(suite.direct, parts, [full], seconds=plan.lasts(12.0, quick=4.0)).first.ok_per_s
    other = Source(model, pictures, rate=_OTHERS_RATE, headers=clients.other, seed=2)
    alone = load.run(suite.direct, parts, [other], seconds=plan.lasts(15.0, quick=5.0), deadline_s=DEADLINE_S)
    found = []
    for times in TIMES[-1:] if plan.quick else TIMES:
        flood = Source(model, pictures, rate=times * capacity, headers=clients.flood)
        seen = load.run(suite.direct, parts, [flood, other], seconds=seconds, deadline_s=DEADLINE_S)
        found.append(_figures(model, times, capacity, seen, alone))
    return found


def _figures(model: Model, times: int, capacity: float, seen: Load, alone: Load) -> Overload:
    flood, other = seen.sources
    goodput = flood.on_time_per_s + other.on_time_per_s
    return Overload(
        model=model.key,
        times=times,
        capacity_per_s=capacity,
        offered_per_s=times * capacity,
        goodput_per_s=goodput,
        goodput=goodput / capacity,
        late=flood.late + other.late,
        flood=flood,
        other=other,
        other_alone=alone.first,
        cpu_us=seen.cpu_us,
        cores_busy=seen.cores_busy,
    )
