"""One load on a suite: a generator of its own process, and what every part of the suite used meanwhile."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadtests.bench import processes
from loadtests.bench.figures import Seen, Summary, summary, us_each
from loadtests.bench.generator import Order, Picture
from loadtests.bench.models import ROOT, Model

WARM_UP_S = 1.5
_START_S = 0.7
"""What a generator may take to start."""


class Source(NamedTuple):
    """One generator: a closed loop of *clients*, or *rate* a second whatever is answered."""

    model: Model
    pictures: Sequence[Picture]
    clients: int = 0
    rate: float = 0.0
    headers: Mapping[str, str] = {}
    seed: int = 1


class Load(msgspec.Struct, frozen=True):
    """What came of a load: of each source, and microseconds of CPU for each of its answered requests, by part."""

    sources: list[Summary]
    cpu_us: dict[str, float]
    cores_busy: float

    @property
    def first(self) -> Summary:
        """What came of the first source."""
        return self.sources[0]

    @property
    def suite_cpu_us(self) -> float:
        """Microseconds of CPU of all parts together for each answered request."""
        return sum(self.cpu_us.values())


def run(
    address: str, parts: Mapping[str, int], sources: Sequence[Source], *, seconds: float, deadline_s: float = math.inf
) -> Load:
    """Put the load of all *sources* on the suite at *address* for *seconds*, after a warm-up; answers must be right."""
    headers = {} if math.isinf(deadline_s) else {"X-Request-Timeout-S": f"{deadline_s:g}"}
    begin = time.monotonic() + _START_S + WARM_UP_S
    end = begin + seconds
    with tempfile.TemporaryDirectory(prefix="servoir-bench-") as folder:
        generators = [
            start_generator(Path(folder) / f"{number}.json", _order(address, source, end, headers))
            for number, source in enumerate(sources)
        ]
        used = _used(parts, begin, end)
        seen = [msgspec.msgpack.decode(generator.communicate()[0], type=Seen) for generator in generators]
    summaries = [summary(each, begin, end, deadline_s=deadline_s) for each in seen]
    answered = sum(each.ok_per_s for each in summaries) * seconds
    return Load(
        sources=summaries,
        cpu_us={part: us_each(cpu_s, answered) for part, cpu_s in used.items()},
        cores_busy=sum(used.values()) / seconds,
    )


def _order(address: str, source: Source, end: float, headers: Mapping[str, str]) -> Order:
    return Order(
        address=address,
        path=f"/api/vision/v3/predict/{source.model.task}?q={source.model.key}",
        pictures=list(source.pictures),
        end_at=end,
        clients=source.clients,
        rate=source.rate,
        headers={**headers, **source.headers},
        seed=source.seed,
    )


def start_generator(file: Path, order: Order) -> subprocess.Popen[bytes]:
    """Start a generator on *order*, which is written to *file*; what it sees comes on its standard output."""
    file.write_bytes(msgspec.json.encode(order))
    command = [sys.executable, "-m", "loadtests.bench.generator", str(file)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def _used(parts: Mapping[str, int], begin: float, end: float) -> dict[str, float]:
    """Return the seconds of CPU that each part uses between *begin* and *end*, which it waits for."""
    time.sleep(max(0.0, begin - time.monotonic()))
    before = _cpu_s(parts)
    time.sleep(max(0.0, end - time.monotonic()))
    after = _cpu_s(parts)
    return {part: after[part] - before[part] for part in parts}


def _cpu_s(parts: Mapping[str, int]) -> dict[str, float]:
    """Return the seconds of CPU used so far; the supervisor's children are parts of their own."""
    found = processes.stats()
    pids = set(parts.values())
    return {part: processes.cpu_s(pid, found, without=pids - {pid}) for part, pid in parts.items()}
