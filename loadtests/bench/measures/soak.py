"""What is left of a million requests: the memory of every part, and what Redis holds once all are answered."""

from __future__ import annotations

import time
from collections import Counter

import msgspec
from redis import Redis

from loadtests.bench import load
from loadtests.bench.load import Source
from loadtests.bench.plan import Plan
from loadtests.bench.suite import Suite

REQUESTS, QUICK_REQUESTS = 1_000_000, 50_000
_CLIENTS = 64
_QUEUE = "servoir:queue:*"
_SETTLES_S = 8.0
"""After it, usage has been written, and connections of the load are closed."""


class Level(msgspec.Struct, frozen=True):
    """What every part holds at rest after so many requests; *redis_keys* are the queue's."""

    requests: int
    memory_bytes: dict[str, int]
    redis_bytes: int
    redis_keys: list[str]

    @property
    def all_bytes(self) -> int:
        """The memory of all parts together."""
        return sum(self.memory_bytes.values())


class Soak(msgspec.Struct, frozen=True):
    """The no-op model with 50 KB bodies, at saturation; the first of *levels* is after a short load.

    *statuses* are of all requests, *wrong* answers had another content than their picture's.
    """

    levels: list[Level]
    statuses: dict[int, int]
    wrong: int


def measure(plan: Plan) -> Soak:
    """Return what is left after each part of so many requests."""
    wanted = QUICK_REQUESTS if plan.quick else REQUESTS
    statuses, wrong = Counter[int](), 0
    with Suite(plan.home / "soak", [plan.echo]) as suite:
        source = Source(plan.echo, [plan.body], clients=_CLIENTS)
        load.run(suite.direct, suite.parts(), [source], seconds=plan.lasts(30.0, quick=5.0))
        levels = [_level(0, suite)]
        while levels[-1].requests < wanted:
            seen = load.run(suite.direct, suite.parts(), [source], seconds=plan.lasts(60.0, quick=10.0)).first
            statuses.update(seen.statuses)
            wrong += seen.wrong
            levels.append(_level(statuses.total(), suite))
    return Soak(levels, statuses, wrong)


def _level(requests: int, suite: Suite) -> Level:
    time.sleep(_SETTLES_S)
    with Redis.from_url(suite.redis) as redis:
        keys = sorted(key.decode() for key in redis.scan_iter(_QUEUE, count=1000))
        used = redis.info("memory")["used_memory"]
    return Level(requests, suite.memory_bytes(), used, keys)
