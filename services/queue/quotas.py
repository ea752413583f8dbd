"""How much each API key may ask: a rate and a number of requests per day, enforced across all gateways in Redis. Pure.

The rate is held by the Generic Cell Rate Algorithm (ITU-T Recommendation I.371, annex A: virtual scheduling): of each
key one time is kept, at which its next request would be due if all came evenly. A request pushes it on by 1/rate; one
that finds it more than *burst* - 1 such steps ahead of now is refused, and told how long until it would not be. Unlike
a counter per second it has no windows at whose edges twice the rate goes through. Days are those of UTC.

A request counts once when it is accepted, however many images it brings; what is refused, for whatever reason, and what
is repeated under its idempotency key does not count. All of it happens in the one step that accepts a request
(``lua/quota.lua`` within ``lua/enqueue.lua``): no round trip of its own, no count of what did not happen. The clock is
that of Redis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from chassis.errors import TooBusy

DAY_S = 86400


class Quota(msgspec.Struct, frozen=True):
    """The limits of the key *id*, 0 for none; *burst* is how many requests may come at once. Made by ``quota_for``."""

    id: str
    requests_per_s: float
    burst: int
    per_day: int


class Standing(NamedTuple):
    """What is left of a quota: requests at once and when the burst is whole again; requests today and until when."""

    at_once: int
    whole_in_s: float
    today: int
    day_ends_in_s: float


@dataclass
class Claim:
    """One request's claim on a quota; *standing* is what is left after it, once the queue was asked."""

    quota: Quota
    standing: Standing | None = None


def quota_for(key_id: str, *, requests_per_s: float = 0.0, burst: int = 0, per_day: int = 0) -> Quota | None:
    """Return the quota of a key, None where it has no limit; a *burst* of 0 is what one second's requests are."""
    if not requests_per_s and not per_day:
        return None
    return Quota(key_id, requests_per_s, burst or max(1, math.ceil(requests_per_s)), per_day)


def read_standing(left: Sequence[int]) -> Standing:
    """Return what ``left_of`` of ``lua/quota.lua`` says."""
    at_once, whole_in_ms, today, day_ends_in_ms = left
    return Standing(at_once, whole_in_ms / 1000, today, day_ends_in_ms / 1000)


def refusal(asked: Quota, limit: str, wait_ms: int) -> TooBusy:
    """Return the error of a request that goes over *limit* (``rate`` or ``day``)."""
    if limit == "day":
        detail = f"the {asked.per_day} requests that this API key may make in a day are used up"
    else:
        detail = f"this API key may make {asked.requests_per_s:g} requests a second, {asked.burst} at once"
    return TooBusy(detail, retry_after_s=wait_ms / 1000)
