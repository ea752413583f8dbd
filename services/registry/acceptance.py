"""What a release can be made to depend on: demands on the figures of a model's report. Pure.

A demand is ``<figure><comparison><number>``: ``mAP>=0.20``, ``lane_false_positive<=0.1``, ``AP[person]>0.4``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from chassis.errors import BadRequest, WrongState

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_DEMAND = re.compile(r"\s*([^<>=\s][^<>=]*?)\s*(>=|<=|>|<)\s*([0-9]*\.?[0-9]+)\s*")
_MOST_NAMED = 8


class Demand(NamedTuple):
    """*figure* must compare so with *number*."""

    figure: str
    comparison: str
    number: float

    def __str__(self) -> str:
        return f"{self.figure}{self.comparison}{self.number:g}"


class Judged(NamedTuple):
    """A report as far as a release looks at it."""

    id: str
    set_name: str
    figures: Mapping[str, float]


class Accepted(NamedTuple):
    """The report that a release was accepted on, and each demand with its figure."""

    report_id: str
    set_name: str
    met: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.met)} on {self.set_name} (report {self.report_id})"


def parse_demand(text: str) -> Demand:
    """Return the demand that *text* says; raises BadRequest."""
    found = _DEMAND.fullmatch(text)
    if found is None:
        raise BadRequest(f"not a demand: {text[:100]!r} (say mAP>=0.20)")
    return Demand(found[1], found[2], float(found[3]))


def accept(key: str, reports: Sequence[Judged], demands: Sequence[Demand], *, on_set: str = "") -> Accepted:
    """Return what the release of *key* is accepted on: its newest report, of *reports* newest first, on that set.

    Raises WrongState saying what is missing, and every demand that is not met with the figure there is.
    """
    report = _report(key, reports, on_set)
    missing = [demand.figure for demand in demands if demand.figure not in report.figures]
    if missing:
        known = ", ".join(sorted(name for name in report.figures if "[" not in name)[:_MOST_NAMED])
        raise WrongState(f"the report on {report.set_name} has no {', '.join(missing)} (it has: {known} …)")
    failed = [demand for demand in demands if not _is_met(demand, report.figures)]
    if failed:
        told = "; ".join(f"{it.figure} is {report.figures[it.figure]:.4g}, demanded is {it}" for it in failed)
        raise WrongState(f"{key} is not good enough on {report.set_name}: {told} (report {report.id})")
    return Accepted(report.id, report.set_name, tuple(_told(demand, report.figures) for demand in demands))


def _report(key: str, reports: Sequence[Judged], on_set: str) -> Judged:
    sets = list(dict.fromkeys(report.set_name for report in reports))
    if not sets:
        raise WrongState(f"there is no report on {key}: `servoir evaluate {key} SET` makes one")
    if not on_set and len(sets) > 1:
        raise WrongState(f"there are reports on several sets ({', '.join(sets[:_MOST_NAMED])}): say on which")
    found = [report for report in reports if on_set in ("", report.set_name)]
    if not found:
        raise WrongState(
            f"there is no report on {key} on the set {on_set}; there are on {', '.join(sets[:_MOST_NAMED])}"
        )
    return found[0]


def _is_met(demand: Demand, figures: Mapping[str, float]) -> bool:
    return _COMPARISONS[demand.comparison](figures[demand.figure], demand.number)


def _told(demand: Demand, figures: Mapping[str, float]) -> str:
    return f"{demand.figure} {figures[demand.figure]:.4g} {demand.comparison} {demand.number:g}"
