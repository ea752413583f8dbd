"""Quotas as HTTP tells them. Pure.

``RateLimit-Policy`` and ``RateLimit`` are those of draft-ietf-httpapi-ratelimit-headers-10: each limit with its name,
its quota ``q`` per window of ``w`` seconds, what remains ``r``, and the seconds ``t`` until it is whole again.
``RateLimit-Limit``, ``-Remaining`` and ``-Reset`` are those of draft 06, which most clients read; they tell the limit
that is nearest to its end.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from services.queue.client import Claim, Quota

_DAY_S = 86400


class _Limit(NamedTuple):
    name: str
    quota: int
    remaining: int
    reset_s: int


def rate_limit_headers(claim: Claim) -> dict[str, str]:
    """Return the headers that tell what is left of a quota; none where the queue has not said."""
    quota, left = claim.quota, claim.standing
    if left is None:
        return {}
    limits = []
    if quota.requests_per_s:
        limits.append(_Limit("rate", quota.burst, left.at_once, math.ceil(left.whole_in_s)))
    if quota.per_day:
        limits.append(_Limit("day", quota.per_day, left.today, math.ceil(left.day_ends_in_s)))
    nearest = min(limits, key=lambda limit: limit.remaining / limit.quota)
    return {
        "RateLimit-Policy": _policy(quota),
        "RateLimit": ", ".join(f'"{limit.name}";r={limit.remaining};t={limit.reset_s}' for limit in limits),
        "RateLimit-Limit": str(nearest.quota),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_s),
    }


@lru_cache(maxsize=16384)
def _policy(quota: Quota) -> str:
    """Return the limits themselves; a burst stands for the rate in a window of as many seconds as it lasts."""
    limits = []
    if quota.requests_per_s:
        limits.append(f'"rate";q={quota.burst};w={math.ceil(quota.burst / quota.requests_per_s)}')
    if quota.per_day:
        limits.append(f'"day";q={quota.per_day};w={_DAY_S}')
    return ", ".join(limits)
