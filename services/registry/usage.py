"""The arithmetic of usage: histogram buckets, percentiles from them, and sums by group. Pure.

Latencies are counted in buckets whose bounds grow by a factor of 2^(1/8) from 1 ms to 131 s. A percentile read from
them is off by at most 4.5 % of itself between those bounds (``PERCENTILE_ERROR``); below 1 ms by at most 1 ms, and above the
last bound it is that bound.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from chassis.errors import BadRequest

_GROWTH = 2 ** (1 / 8)
LATENCY_BOUNDS_S = tuple(0.001 * _GROWTH**step for step in range(17 * 8 + 1))
"""Bucket *i* counts latencies from bound *i* - 1 to below bound *i*; the first starts at 0, the last has no end."""

BUCKETS = len(LATENCY_BOUNDS_S) + 1
PERCENTILE_ERROR = math.sqrt(_GROWTH) - 1

GROUPS = ("client", "model", "hour", "day", "status")


def latency_bucket(latency_s: float) -> int:
    """Return the bucket that counts this latency."""
    return bisect_right(LATENCY_BOUNDS_S, latency_s)


def percentile_s(histogram: Sequence[int], share: float) -> float:
    """Return the latency that *share* (0 … 1) of those in *histogram* did not exceed, by nearest rank; 0 for none.

    It is the geometric middle of the bucket that holds it, which keeps the error at either end the same.
    """
    rank = max(1, math.ceil(share * sum(histogram)))
    seen = 0
    for bucket, count in enumerate(histogram):
        seen += count
        if seen >= rank:
            return _middle_s(bucket)
    return 0.0


def _middle_s(bucket: int) -> float:
    if bucket == 0:
        return LATENCY_BOUNDS_S[0] / 2
    if bucket == len(LATENCY_BOUNDS_S):
        return LATENCY_BOUNDS_S[-1]
    return math.sqrt(LATENCY_BOUNDS_S[bucket - 1] * LATENCY_BOUNDS_S[bucket])


def parse_groups(text: str) -> tuple[str, ...]:
    """Return the names in ``client,model,hour``; raises BadRequest for one that is none of GROUPS, or said twice."""
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    if not set(names) <= set(GROUPS) or len(set(names)) < len(names):
        raise BadRequest(f"cannot group by {text[:100]!r}: say some of {', '.join(GROUPS)}, joined with commas")
    return names
