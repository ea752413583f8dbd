"""From what was seen of each request to rates, percentiles and ratios. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
NO_ANSWER = 0
"""The status of a request that no answer came to."""


class Seen(msgspec.Struct, frozen=True):
    """What a generator saw: for each request when it was due and how long its answer took from then (seconds), and
    the status. *wrong* answers were 200 with another content than the picture's, *unasked* ones came where none was
    due; *cpu_s* is what the generator used.
    """

    due: list[float]
    took_s: list[float]
    status: list[int]
    wrong: int
    cpu_s: float
    unasked: int = 0


class Summary(msgspec.Struct, frozen=True):
    """One load over its measured time.

    *ok_per_s* counts the 200 that came within it, *on_time_per_s* those of them within the deadline; *late* are 200
    after their deadline. Percentiles (milliseconds) are of the 200 to requests that were due within the time, from
    when each was due: waiting for a connection, or for the generator, counts.
    """

    seconds: float
    ok_per_s: float
    on_time_per_s: float
    statuses: dict[int, int]
    latency_ms: dict[str, float]
    refusal_p50_ms: float | None
    late: int
    latest_ms: float | None
    wrong: int
    generator_cpu_us: float

    @property
    def p50_ms(self) -> float:
        """The median latency; NaN where nothing was answered with 200."""
        return self.latency_ms.get("p50", math.nan)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of *ordered* (ascending); NaN of nothing."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(percent / 100.0 * len(ordered)) - 1)]


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return the usual percentiles, in milliseconds, by name (``p99.9``); none of nothing."""
    ordered = sorted(seconds)
    return {f"p{percent:g}": 1000.0 * percentile(ordered, percent) for percent in PERCENTILES if ordered}


def summary(seen: Seen, begin: float, end: float, *, deadline_s: float = math.inf) -> Summary:
    """Return what *seen* amounts to between *begin* and *end*, on the clock of ``due``."""
    rows = list(zip(seen.due, seen.took_s, seen.status, strict=True))
    answered = [took for due, took, status in rows if status == 200 and begin <= due + took < end]
    due_within = [(took, status) for due, took, status in rows if begin <= due < end]
    ok = [took for took, status in due_within if status == 200]
    refused = [took for took, status in due_within if status == 429]
    return Summary(
        seconds=end - begin,
        ok_per_s=len(answered) / (end - begin),
        on_time_per_s=sum(took <= deadline_s for took in answered) / (end - begin),
        statuses=dict(sorted(Counter(status for _, status in due_within).items())),
        latency_ms=percentiles_ms(ok),
        refusal_p50_ms=percentiles_ms(refused).get("p50"),
        late=sum(took > deadline_s for took in ok),
        latest_ms=1000.0 * max(ok) if ok else None,
        wrong=seen.wrong,
        generator_cpu_us=1e6 * seen.cpu_s / max(1, len(rows)),
    )


def median(values: Sequence[float]) -> float:
    """Return the middle value (the lower one of two); NaN of nothing."""
    return percentile(sorted(values), 50.0)


def us_each(cpu_s: float, count: float) -> float:
    """Return microseconds of CPU for each of *count*; NaN of none."""
    return 1e6 * cpu_s / count if count else math.nan
