"""The arithmetic of usage: histogram buckets and percentiles, sums by group. Pure.

Latencies are counted in buckets whose bounds grow by a factor of 2^(1/8) from 1 ms to 131 s. A percentile read from
them is off by at most 4.5 % of itself between those bounds (``PERCENTILE_ERROR``); below 1 ms by at most half of that,
and above the last bound it is that bound.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.errors import BadRequest
from chassis.rpc.registry_pb2 import GetUsageRequest, UsageBatch, UsageRow, UsageSum

_GROWTH = 2 ** (1 / 8)
LATENCY_BOUNDS_S = tuple(0.001 * _GROWTH**step for step in range(17 * 8 + 1))
"""Bucket *i* counts latencies from bound *i* - 1 to below bound *i*; the first starts at 0, the last has no end."""

BUCKETS = len(LATENCY_BOUNDS_S) + 1
PERCENTILE_ERROR = math.sqrt(_GROWTH) - 1

_FIELDS = tuple(field.name for field in UsageSum.DESCRIPTOR.fields)
SUMS = ("images", "requests", "payload_bytes", "service_s")
"""The fields of a sum that add up; it is about the others."""

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


def check_batch(batch: UsageBatch) -> None:
    """Raise BadRequest naming every bad field of a batch, up to the tenth."""
    faults = [] if batch.batch_id else ["batch_id: missing"]
    faults += [] if batch.sums else ["sums: none"]
    faults += [f"sums[{at}].{fault}" for at, one in enumerate(batch.sums) for fault in _faults(one)]
    if faults:
        raise BadRequest("bad usage batch: " + "; ".join(faults[:10]))


def _faults(one: UsageSum) -> list[str]:
    faults = [] if one.model_key else ["model_key: missing"]
    faults += [] if 100 <= one.status <= 599 else ["status: an HTTP status"]
    faults += [] if one.answered_at_ms > 0 else ["answered_at_ms: milliseconds of Unix time"]
    faults += [] if 0 <= one.bucket < BUCKETS else [f"bucket: 0 to {BUCKETS - 1}"]
    faults += [] if math.isfinite(one.service_s) and one.service_s >= 0 else ["service_s: seconds of 0 or more"]
    return faults


def usage_documents(batch: UsageBatch) -> list[dict[str, Any]]:
    """Return the sums of *batch* as they are stored."""
    return [{name: getattr(one, name) for name in _FIELDS} for one in batch.sums]


def usage_pipeline(request: GetUsageRequest, groups: Sequence[str]) -> list[dict[str, Any]]:
    """Return the aggregation that adds up the asked sums by *groups*, status and bucket.

    The batches are found by an index, then taken apart, and their sums sifted again.
    """
    sifted = wanted(request)
    stages: list[dict[str, Any]] = [{"$match": {"sums": {"$elemMatch": sifted}}}] if sifted else []
    stages.append({"$unwind": "$sums"})
    if sifted:
        stages.append({"$match": {f"sums.{name}": condition for name, condition in sifted.items()}})
    by = {name: GROUP_VALUES[name] for name in {*groups, "status"}}
    added = {name: {"$sum": f"$sums.{name}"} for name in SUMS}
    stages.append({"$group": {"_id": {**by, "bucket": "$sums.bucket"}, **added}})
    return stages


def wanted(request: GetUsageRequest) -> dict[str, Any]:
    """Return the conditions that *request* holds sums to."""
    conditions: dict[str, Any] = {}
    if request.client_id:
        conditions["client_id"] = request.client_id
    if request.model_key:
        conditions["model_key"] = request.model_key
    times = {"$gte": request.from_ms} if request.from_ms else {}
    times |= {"$lt": request.to_ms} if request.to_ms else {}
    return conditions | ({"answered_at_ms": times} if times else {})


def usage_rows(sums: Iterable[Mapping[str, Any]], groups: Sequence[str]) -> list[UsageRow]:
    """Return one row for each group of what ``usage_pipeline`` gave, in the order of the groups."""
    rows: dict[tuple[str, ...], UsageRow] = {}
    for part in sums:
        names = tuple(_group_name(group, part["_id"][group]) for group in groups)
        if names not in rows:
            rows[names] = UsageRow(group=dict(zip(groups, names, strict=True)), latency_histogram=[0] * BUCKETS)
        _add(rows[names], part)
    return [row for _, row in sorted(rows.items())]


def _add(row: UsageRow, part: Mapping[str, Any]) -> None:
    row.images += part["images"]
    row.requests += part["requests"]
    row.payload_bytes += part["payload_bytes"]
    row.service_s += part["service_s"]
    row.statuses[part["_id"]["status"]] += part["images"]
    row.latency_histogram[part["_id"]["bucket"]] += part["images"]


def _group_name(group: str, value: Any) -> str:
    """Return a group's value as text: an hour as ``2026-11-21T10:00Z``, a day as ``2026-11-21``."""
    if group not in _PERIODS_MS:
        return str(value)
    began = datetime.fromtimestamp(value / 1000, UTC)
    return began.strftime("%Y-%m-%d" if group == "day" else "%Y-%m-%dT%H:%MZ")


_PERIODS_MS = {"hour": 3_600_000, "day": 86_400_000}


def _began_ms(period_ms: int) -> dict[str, Any]:
    return {"$subtract": ["$sums.answered_at_ms", {"$mod": ["$sums.answered_at_ms", period_ms]}]}


GROUP_VALUES: dict[str, Any] = {
    "client": "$sums.client_id",
    "model": "$sums.model_key",
    "status": "$sums.status",
    **{name: _began_ms(period_ms) for name, period_ms in _PERIODS_MS.items()},
}
"""Where a sum says what it is grouped by."""
