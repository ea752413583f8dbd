"""From what a generator saw to the figures of a server. Pure."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

from loadtests.bench.figures import NO_ANSWER, Seen, percentile
from loadtests.rivals.results import Killed, Overload, Throughput, Tried

HUNG_S = 8.0
"""A request without an answer for so long, on a connection that stood, hangs."""
_LAST_SHARE = 0.3


def throughput(seen: Seen, clients: int, begin: float, end: float) -> Throughput:
    """Return the rate of right answers that came between *begin* and *end*."""
    rows = list(zip(seen.due, seen.took_s, seen.status, strict=True))
    came = [(took, status) for due, took, status in rows if begin <= due + took < end]
    times = sorted(took for took, status in came if status == 200)
    return Throughput(
        clients=clients,
        per_s=len(times) / (end - begin),
        p50_ms=1000.0 * percentile(times, 50.0) if times else 0.0,
        p99_ms=1000.0 * percentile(times, 99.0) if times else 0.0,
        wrong=seen.wrong,
        statuses=_counted(status for _, status in came),
    )


def best(tried: Sequence[Tried]) -> Tried:
    """Return the setting that is best with few clients and many alike: by the product of its rates."""
    return max(tried, key=lambda one: one.few.per_s * one.many.per_s)


def overload(seen: Seen, begin: float, end: float, *, rate: float, deadline_s: float, bare_per_s: float) -> Overload:
    """Return what became of the requests that were due between *begin* and *end*, beside what the bare model did."""
    rows = zip(seen.due, seen.took_s, seen.status, strict=True)
    due = [(took, status) for at, took, status in rows if begin <= at < end]
    right = [took for took, status in due if status == 200]
    refused = sorted(took for took, status in due if status not in (200, NO_ANSWER))
    on_time = sum(took <= deadline_s for took in right)
    return Overload(
        offered_per_s=rate,
        deadline_s=deadline_s,
        bare_per_s=bare_per_s,
        on_time_per_s=on_time / (end - begin),
        late=len(right) - on_time,
        refused=len(refused),
        refusal_p50_ms=1000.0 * percentile(refused, 50.0) if refused else None,
        unanswered=len(due) - len(right) - len(refused),
        statuses=_counted(status for _, status in due),
    )


def killed(seen: Seen, clients: int, *, begin: float, kill_at: float, end: float) -> Killed:
    """Return what became of all requests of a load during which a process was killed at *kill_at*."""
    rows = list(zip(seen.due, seen.took_s, seen.status, strict=True))
    unanswered = [took for _, took, status in rows if status == NO_ANSWER]
    hung = sum(took >= HUNG_S for took in unanswered)
    right_at = sorted(due + took for due, took, status in rows if status == 200)
    statuses = _counted(status for _, _, status in rows)
    last = end - _LAST_SHARE * (end - kill_at)
    return Killed(
        clients=clients,
        right=len(right_at),
        failed=len(rows) - len(right_at) - len(unanswered),
        lost=len(unanswered) - hung,
        hung=hung,
        unasked=seen.unasked,
        before_per_s=_rate(right_at, begin, kill_at),
        after_per_s=_rate(right_at, last, end),
        silent_s=_longest_gap([at for at in right_at if kill_at <= at < end], kill_at, end),
        statuses=statuses,
    )


def _rate(at: Sequence[float], begin: float, end: float) -> float:
    return sum(begin <= each < end for each in at) / (end - begin)


def _longest_gap(at: Sequence[float], begin: float, end: float) -> float:
    """Return the longest time between two of *at* (ascending), *begin* and *end* included."""
    edges = [begin, *at, end]
    return max(later - earlier for earlier, later in itertools.pairwise(edges))


def _counted(statuses: Iterable[int]) -> dict[int, int]:
    return dict(sorted(Counter(statuses).items()))
