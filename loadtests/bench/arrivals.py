"""When requests are sent, as a function of chance: open-loop arrivals that wait for no answer."""

from __future__ import annotations

import random
from collections.abc import Iterator


def poisson(rate: float, chance: random.Random) -> Iterator[float]:
    """Yield seconds from the start, for ever: arrivals of a Poisson process with *rate* a second.

    Users that do not know of each other arrive like this; evenly spaced ones would flatter a queue.
    """
    at = 0.0
    while True:
        at += chance.expovariate(rate)
        yield at
