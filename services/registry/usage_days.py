"""Usage that is long past: sums of whole days in place of those of seconds. Pure.

A document of ``usage_days`` sums what one client had of one model on one day (UTC) with one status and one bucket of
latency; so every question is answered as before, only hours are gone: an old hour's usage is at the start of its day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chassis.rpc.registry_pb2 import GetUsageRequest
from services.registry.usage import GROUP_VALUES, SUMS, wanted

DAY_MS = 86_400_000


def day_sums(batches: Iterable[Mapping[str, Any]]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return what *batches* add to each document, by its id: what it is about, and its sums."""
    days: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for part in (part for batch in batches for part in batch["sums"]):
        about = {name: part[name] for name in ("client_id", "model_key", "status", "bucket")}
        about["answered_at_ms"] = part["answered_at_ms"] // DAY_MS * DAY_MS
        name = "|".join(str(about[it]) for it in ("answered_at_ms", "model_key", "status", "bucket", "client_id"))
        _, sums = days.setdefault(name, (about, dict.fromkeys(SUMS, 0)))
        for it in SUMS:
            sums[it] += part[it]
    return days


def days_pipeline(request: GetUsageRequest, groups: Sequence[str]) -> list[dict[str, Any]]:
    """Return the aggregation of days that gives what ``usage_pipeline`` gives of seconds."""
    sifted = wanted(request)
    by = {name: _value_of_day(name) for name in {*groups, "status"}}
    sums = {name: {"$sum": f"${name}"} for name in SUMS}
    grouped = {"$group": {"_id": {**by, "bucket": "$bucket"}, **sums}}
    return [{"$match": sifted}, grouped] if sifted else [grouped]


def _value_of_day(group: str) -> str:
    return "$answered_at_ms" if group in ("hour", "day") else GROUP_VALUES[group].replace("$sums.", "$")
