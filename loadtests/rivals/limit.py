"""The bare model: what the same engine and adapter do without any server, at their best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from loadtests.bench import bare
from loadtests.bench.bare import Bare, Way
from loadtests.bench.figures import median
from loadtests.bench.models import Model
from loadtests.rivals.results import Limit

Found = TypeVar("Found")


class Yardstick:
    """The bare model of *model* at its best way; *seconds* for each measurement.

    A machine's speed changes within minutes, so it is measured again before and after all that is held to it.
    """

    def __init__(self, model: Model, pictures: Path, cores: int, *, seconds: float) -> None:
        self._model, self._pictures, self._seconds = model, pictures, seconds
        self._limit = _tried(model, pictures, cores, seconds=seconds)

    @property
    def limit(self) -> Limit:
        """The best way with all its rounds until now."""
        return self._limit

    def beside(self, measure: Callable[[], Found]) -> tuple[Found, float]:
        """Return what *measure* finds, and what the bare model did before and after it, in pictures per second."""
        before = self._again()
        found = measure()
        return found, (before + self._again()) / 2

    def _again(self) -> float:
        limit = self._limit
        runs = _side_by_side(self._model, self._pictures, limit.processes, [limit.way.way], self._seconds)
        per_s = sum(run[0].items_per_s for run in runs)
        rounds = [*limit.rounds_per_s, per_s]
        self._limit = Limit(limit.way, limit.processes, limit.tried, rounds, median(rounds))
        return per_s


def _tried(model: Model, pictures: Path, cores: int, *, seconds: float) -> Limit:
    """Try one process in several ways, and one process for each core; return the best."""
    together = bare.run(model, pictures, bare.ways(cores, quick=True), seconds=seconds)
    alone = [Way(threads=1, batch_size=size, callers=1, executions=1) for size in (1, 4, 8)]
    apart = [_added(each) for each in zip(*_side_by_side(model, pictures, cores, alone, seconds), strict=True)]
    found = [(1, each) for each in together] + [(cores, each) for each in apart]
    processes, way = max(found, key=lambda one: one[1].items_per_s)
    names = {_told(count, each): each.items_per_s for count, each in found}
    return Limit(way, processes, names, [way.items_per_s], way.items_per_s)


def _side_by_side(
    model: Model, pictures: Path, processes: int, ways: Sequence[Way], seconds: float
) -> list[list[Bare]]:
    """Return what each of several processes does, all at the same time."""
    with ThreadPoolExecutor(processes) as pool:
        runs = [pool.submit(bare.run, model, pictures, ways, seconds=seconds) for _ in range(processes)]
        return [run.result() for run in runs]


def _added(parts: Sequence[Bare]) -> Bare:
    """Return what processes do together that all run in the same way."""
    one, total = parts[0], sum(part.items_per_s for part in parts)
    return Bare(one.threads, one.batch_size, one.callers, one.executions, total, one.batch_p50_s)


def _told(processes: int, one: Bare) -> str:
    return (
        f"{processes} processes, batch {one.batch_size}, {one.callers} callers, "
        f"{one.executions} executions, {one.threads} threads"
    )
