"""One load on one server, and what all its processes used meanwhile."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadtests.bench import processes
from loadtests.bench.figures import Seen
from loadtests.bench.generator import Order
from loadtests.bench.load import start_generator
from loadtests.rivals.running import DoesNotServe, Target

_START_S = 0.7
"""What a generator may take to start."""
_LOOK_S = 0.5


class Observed(NamedTuple):
    """What the generator saw; the measured time is from *begin* to *end*; *cpu_s* is what the server used within it."""

    seen: Seen
    begin: float
    end: float
    cpu_s: float


def run(
    target: Target,
    *,
    seconds: float,
    warm_up_s: float,
    clients: int = 0,
    rate: float = 0.0,
    meanwhile: Callable[[], object] = lambda: None,
) -> Observed:
    """Put a load on *target* for *seconds* after *warm_up_s*: *clients* in a closed loop, or *rate* a second.

    *meanwhile* is called when the measured time begins, and may take a while. Raises DoesNotServe for answers that are
    none.
    """
    begin = time.monotonic() + _START_S + warm_up_s
    end = begin + seconds
    order = Order(
        address=target.address,
        path=target.path,
        pictures=list(target.bodies),
        end_at=end,
        clients=clients,
        rate=rate,
        headers=dict(target.headers),
        content_type=target.content_type,
    )
    with tempfile.TemporaryDirectory(prefix="servoir-rivals-") as folder:
        generator = start_generator(Path(folder) / "order.json", order)
        _sleep_until(begin)
        before = _cpu_s(target.pid)
        meanwhile()
        _sleep_until(end)
        used_s = _cpu_s(target.pid) - before
        told = generator.communicate()[0]
    if generator.returncode:
        raise DoesNotServe("its answers could not be read under load: what the generator says is above")
    seen = msgspec.msgpack.decode(told, type=Seen)
    return Observed(seen, begin, end, used_s)


def busiest(pid: int) -> int:
    """Return which process of the family of *pid* uses most CPU right now: the one that computes."""
    before = _family_s(pid)
    time.sleep(_LOOK_S)
    after = _family_s(pid)
    return max(after, key=lambda each: after[each] - before.get(each, 0.0))


def _family_s(pid: int) -> dict[int, float]:
    found = processes.stats()
    return {each: found[each].cpu_s for each in processes.with_children(pid, found) if each in found}


def _cpu_s(pid: int) -> float:
    return sum(_family_s(pid).values())


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
