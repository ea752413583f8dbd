"""The measurements of one server: the same for a rival and for our suite."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loadtests.bench.generator import Picture
from loadtests.bench.models import Model
from loadtests.bench.suite import SUPERVISOR, Suite, free_block
from loadtests.rivals import environments, figures, load, running
from loadtests.rivals.environments import CannotInstall
from loadtests.rivals.limit import Yardstick
from loadtests.rivals.plan import DEADLINE_S, FEW, KILL_CLIENTS, MANY, QUEUE_SHARE, TIMES, Plan, cheapest
from loadtests.rivals.results import OURS, Cost, Killed, Overload, Server, Setting, Throughput, Tried
from loadtests.rivals.rival import Rival
from loadtests.rivals.running import DoesNotServe, Target
from loadtests.rivals.settings import ServerSettings

_KILL_AFTER_S = 2.0
_PORTS = 10


def ours(plan: Plan, yardstick: Yardstick) -> Server:
    """Return the row of our suite: as ``servoir up`` starts it, its gateways asked without nginx, as rivals are.

    A kill is measured twice: of the only model server, and of one where each core has one, as rivals' workers are.
    """
    server, began = Server(OURS), time.monotonic()
    with Suite(plan.home / "suite", [plan.model, plan.echo]) as suite:
        target = _of_suite(suite, plan.model, plan.pictures)
        server.best = _tried(None, target, plan, yardstick)
        server.tried = [server.best]
        server.cost = _cost(_of_suite(suite, plan.echo, [plan.body]), plan)
        timed = target._replace(headers={"X-Request-Timeout-S": f"{DEADLINE_S:g}"})
        server.overload = _overload(timed, plan, yardstick)
        server.killed_alone = _killed(target, plan)
    with Suite(plan.home / "replicas", [plan.model], replicas=plan.cores) as suite:
        server.killed = _killed(_of_suite(suite, plan.model, plan.pictures), plan)
    server.took_s = time.monotonic() - began
    return server


def rival(one: Rival, plan: Plan, settings: Sequence[Setting], yardstick: Yardstick) -> Server:
    """Return the row of a rival: every one of *settings*, then the rest at the best of them.

    What cannot be had or does not serve is said in the row, beside what was measured until then.
    """
    server, began = Server(one.name, environments.version(one)), time.monotonic()
    try:
        programs = environments.programs(one, plan.cache)
        best = _best(one, programs, plan, settings, server, yardstick)
        at_best = best.setting or settings[0]
        if server.killed is None:
            with _serving(one, programs, at_best, plan) as target:
                server.killed = _killed(target, plan)
        with _serving(one, programs, at_best, plan, limited_to=_queue_limit(best.many.per_s)) as target:
            server.overload = _overload(target, plan, yardstick)
        with _serving(one, programs, cheapest(), plan, echo=True) as target:
            server.cost = _cost(target, plan)
    except (CannotInstall, DoesNotServe) as error:
        server.why_not = str(error)
    server.took_s = time.monotonic() - began
    return server


def _best(
    one: Rival, programs: Path, plan: Plan, settings: Sequence[Setting], server: Server, yardstick: Yardstick
) -> Tried:
    """Return the best of *settings*; where that is the last, its worker is killed at once, which spares a start."""
    for setting in settings:
        with _serving(one, programs, setting, plan) as target:
            server.tried.append(_tried(setting, target, plan, yardstick))
            server.best = best = figures.best(server.tried)
            if setting is settings[-1] and best is server.tried[-1]:
                server.killed = _killed(target, plan)
    return best


def _queue_limit(own_per_s: float) -> int:
    """Return how many requests a server that does *own_per_s* can let wait, and still answer in time."""
    return max(1, math.ceil(QUEUE_SHARE * DEADLINE_S * own_per_s))


@contextlib.contextmanager
def _serving(
    one: Rival, programs: Path, setting: Setting, plan: Plan, *, limited_to: int = 0, echo: bool = False
) -> Iterator[Target]:
    """Run a rival; *limited_to* so many waiting requests it knows of the deadline too."""
    told = ServerSettings(
        rival_model=(plan.echo if echo else plan.model).folder,
        rival_home=plan.home / one.name,
        rival_port=free_block(_PORTS),
        rival_workers=setting.workers,
        rival_threads=setting.threads,
        rival_batch_size=setting.batch_size,
        rival_wait_ms=setting.wait_ms,
    )
    if limited_to:
        told = replace(told, rival_timeout_s=DEADLINE_S, rival_queue_limit=limited_to)
    with running.serving(one, programs, told, [plan.body] if echo else plan.pictures) as target:
        yield target


def _of_suite(suite: Suite, model: Model, pictures: Sequence[Picture]) -> Target:
    path = f"/api/vision/v3/predict/{model.task}?q={model.key}"
    return Target(suite.direct, path, "", {}, suite.parts()[SUPERVISOR], pictures)


def _tried(setting: Setting | None, target: Target, plan: Plan, yardstick: Yardstick) -> Tried:
    (few, many), bare_per_s = yardstick.beside(
        lambda: (_throughput(target, FEW, plan), _throughput(target, MANY, plan)),
    )
    return Tried(setting, few, many, bare_per_s)


def _throughput(target: Target, clients: int, plan: Plan) -> Throughput:
    came = load.run(target, clients=clients, seconds=plan.throughput_s, warm_up_s=plan.warm_up_s)
    return figures.throughput(came.seen, clients, came.begin, came.end)


def _cost(target: Target, plan: Plan) -> Cost:
    came = load.run(target, clients=MANY, seconds=plan.cost_s, warm_up_s=plan.warm_up_s)
    right = figures.throughput(came.seen, MANY, came.begin, came.end)
    answered = max(1.0, right.per_s * plan.cost_s)
    return Cost(cpu_us=1e6 * came.cpu_s / answered, per_s=right.per_s, wrong=right.wrong)


def _overload(target: Target, plan: Plan, yardstick: Yardstick) -> Overload:
    rate = TIMES * yardstick.limit.per_s
    came, bare_per_s = yardstick.beside(
        lambda: load.run(target, rate=rate, seconds=plan.overload_s, warm_up_s=plan.warm_up_s + DEADLINE_S),
    )
    return figures.overload(came.seen, came.begin, came.end, rate=rate, deadline_s=DEADLINE_S, bare_per_s=bare_per_s)


def _killed(target: Target, plan: Plan) -> Killed:
    """Kill the process that computes, under load; the load goes on."""
    killed_at = list[float]()

    def kill() -> None:
        time.sleep(_KILL_AFTER_S)
        victim = load.busiest(target.pid)
        killed_at.append(time.monotonic())
        os.kill(victim, signal.SIGKILL)

    came = load.run(target, clients=KILL_CLIENTS, seconds=plan.kill_s, warm_up_s=plan.warm_up_s, meanwhile=kill)
    return figures.killed(came.seen, KILL_CLIENTS, begin=came.begin, kill_at=killed_at[0], end=came.end)
