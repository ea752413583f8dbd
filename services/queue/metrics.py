"""What operators see of the queue, per model and class of priority."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from chassis.metrics import BATCH_BUCKETS, SECONDS_BUCKETS, Counter, Gauge, Histogram, each
from services.queue.broker import CLASSES

_MODEL, _BOTH = ["model"], ["model", "priority"]
_STATUSES = (200, 500, 503, 504)
_REASONS = ("count", "bytes", "deadline", "quota", "no_replica")
_WAYS = ("memory", "sent", "recalled")

DEPTH = Gauge("servoir_queue_depth_items", "Items waiting", _BOTH)
AT_WORK = Gauge("servoir_queue_at_work_items", "Items claimed and not yet answered", _MODEL)
SUSPECTS = Gauge("servoir_queue_suspect_items", "Items that a server failed with, waiting to be tried alone", _MODEL)
OLDEST = Gauge("servoir_queue_oldest_age_seconds", "Age of the oldest item that is not answered", _MODEL)
BYTES = Gauge("servoir_queue_payload_bytes", "Bytes of all payloads that are not answered", _MODEL)
QUARANTINED = Gauge("servoir_queue_quarantined_items", "Items in quarantine", _MODEL)
REPLICAS = Gauge(
    "servoir_queue_replicas", "Live model servers; usable: not draining and not left out", [*_MODEL, "state"]
)
ADMISSION = Gauge(
    "servoir_queue_admission_share", "Share of the predicted room that is given away; falls where some are late", _MODEL
)
PENDING = Gauge("nv_inference_pending_request_count", "Items waiting, under Triton's name for it", ["model", "version"])
USAGE_WAITING = Gauge("servoir_queue_usage_waiting_records", "Usage records not yet taken for the registry")
BATCH = Histogram("servoir_queue_batch_items", "Items in a batch that ran", _MODEL, buckets=BATCH_BUCKETS)
WAIT = Histogram("servoir_queue_wait_seconds", "From acceptance to the claim", _BOTH, buckets=SECONDS_BUCKETS)
SERVICE = Histogram("servoir_queue_service_seconds", "A batch at its server", _MODEL, buckets=SECONDS_BUCKETS)
ANSWERS = Counter("servoir_queue_answers_total", "Items answered by this dispatcher", [*_BOTH, "status"])
REFUSALS = Counter("servoir_queue_refusals_total", "Requests refused at the door", [*_BOTH, "reason"])
RETRIES = Counter("servoir_queue_retries_total", "Items given back after a server failed", _MODEL)
REDELIVERIES = Counter("servoir_queue_redeliveries_total", "Items taken over from another dispatcher", _MODEL)
LATE = Counter("servoir_queue_late_total", "Items answered 504 without having run", _MODEL)
PAYLOADS = Counter(
    "servoir_queue_payloads_total", "Payloads given to model servers: left in shared memory, or sent", [*_MODEL, "way"]
)
NEWCOMERS = Counter(
    "servoir_queue_newcomers_total", "Items of clients with little to ask, run beside others' full servers", _MODEL
)
HELD = Counter("servoir_queue_held_total", "Claims put off for a moment, since clients were about to ask again", _MODEL)
GIVEN_UP = Counter("servoir_queue_given_up_total", "Items that ended three servers", _MODEL)

answers, waits, batches, services, late = each(ANSWERS), each(WAIT), each(BATCH), each(SERVICE), each(LATE)
payloads = each(PAYLOADS)


@lru_cache(maxsize=4096)
def begin(model: str) -> None:
    """Show a model's counters from 0 on, whoever has it: an increase that nothing stood before is not seen."""
    for counter in (RETRIES, REDELIVERIES, LATE, NEWCOMERS, HELD, GIVEN_UP):
        counter.labels(model)
    for priority in CLASSES:
        for status in _STATUSES:
            answers(model, priority, status)
        for reason in _REASONS:
            REFUSALS.labels(model, priority, reason)
    for way in _WAYS:
        payloads(model, way)


def show(model: str, view: Mapping[str, Any]) -> None:
    """Set a model's gauges from what a sweep found."""
    DEPTH.labels(model, "interactive").set(view["interactive"])
    DEPTH.labels(model, "batch").set(view["batch"])
    name, _, version = model.rpartition("-")
    PENDING.labels(name, version).set(view["interactive"] + view["batch"])
    AT_WORK.labels(model).set(view["at_work"])
    SUSPECTS.labels(model).set(view["suspects"])
    OLDEST.labels(model).set(view["oldest_s"])
    BYTES.labels(model).set(view["bytes"])
    QUARANTINED.labels(model).set(view["quarantined"])
    USAGE_WAITING.set(view["usage_waiting"])


def forget(model: str) -> None:
    """Show a model's gauges no more: another dispatcher has it now, or it is gone."""
    for gauge in (DEPTH, AT_WORK, SUSPECTS, OLDEST, BYTES, QUARANTINED, REPLICAS, ADMISSION):
        gauge.remove_by_labels({"model": model})
    name, _, version = model.rpartition("-")
    PENDING.remove_by_labels({"model": name, "version": version})


def count_refusals(model: str, before: Mapping[str, int], now: Mapping[str, int]) -> None:
    """Count what was refused between two sweeps; Redis has the sums by ``<class>:<reason>``."""
    for what, count in now.items():
        priority, _, reason = what.partition(":")
        REFUSALS.labels(model, priority, reason).inc(max(0, count - before.get(what, 0)))
