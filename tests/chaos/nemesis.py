"""What breaks the world: kills and pauses of its parts, one after the other, drawn from a seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.chaos.history import Fault, History
from tests.chaos.world import World

#: How often each kind of part is hit, against the others.
WEIGHTS = {"model-server": 5, "dispatcher": 4, "gateway": 2, "redis": 2, "registry": 1, "mongod": 1}


class Blow(NamedTuple):
    """One thing to do: wait, hit a part, leave it down (or paused) for a while, bring it back."""

    wait_s: float
    kind: str
    target: str
    down_s: float


def blows(seed: int, parts: list[str]) -> Iterator[Blow]:
    """Yield without end what to do to *parts*; the same seed and parts give the same."""
    chance = random.Random(seed)
    weights = [WEIGHTS[part.rstrip("-0123456789")] for part in parts]
    while True:
        kind = chance.choices(["kill", "pause"], [4, 1])[0]
        target = chance.choices(parts, weights)[0]
        yield Blow(chance.uniform(0.0, 0.8), kind, target, chance.uniform(0.0, 1.2 if kind == "kill" else 2.5))


def strike(world: World, blow: Blow, history: History) -> None:
    """Do one blow, and return when its part is back."""
    time.sleep(blow.wait_s)
    part = world.parts[blow.target]
    began = time.time()
    if blow.kind == "kill":
        part.kill()
        time.sleep(blow.down_s)
        part.start()
    else:
        part.pause()
        time.sleep(blow.down_s)
        part.resume()
    history.add(Fault(blow.kind, blow.target, began, time.time()))
