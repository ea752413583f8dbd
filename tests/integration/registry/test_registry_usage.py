"""Usage over gRPC on a real mongod: stored once, summed by every group, found through an index."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pymongo
import pytest

from chassis.errors import BadRequest, Conflict
from chassis.rpc.registry_pb2 import GetUsageRequest, UsageBatch, UsageSum
from services.registry.client import AsyncRegistryClient, RegistryClient, latency_bucket, percentile_s
from services.registry.usage import PERCENTILE_ERROR, usage_pipeline
from tests.integration.registry.conftest import lease, modelinfo
from tests.parts import wait_until

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_700_000_000_000 // DAY_MS * DAY_MS


def used(**fields: Any) -> UsageSum:
    given = {"client_id": "ann", "model_key": "acme-coco-1", "status": 200, "answered_at_ms": START_MS}
    given |= {"images": 1, "requests": 1, "payload_bytes": 1000, "service_s": 0.02, "bucket": latency_bucket(0.03)}
    return UsageSum(**{**given, **fields})


def batch_of(batch_id: str, sums: list[UsageSum]) -> UsageBatch:
    return UsageBatch(batch_id=batch_id, sums=sums, answered="request 0 200\n")


def rows(registry: RegistryClient, by: str, **asked: Any) -> list[tuple[Any, ...]]:
    return [(*(row.group[name] for name in by.split(",")), row.images) for row in registry.usage(by=by, **asked)]


def test_a_batch_that_is_sent_twice_counts_once(registry: RegistryClient) -> None:
    assert registry.record_usage(batch_of("batch", [used(), used()]))
    assert not registry.record_usage(batch_of("batch", [used(), used()]))
    (total,) = registry.usage()
    assert (total.images, total.payload_bytes) == (2, 2000)


def test_sums_are_exact_when_every_batch_is_sent_several_times_at_once(registry: RegistryClient) -> None:
    drawn = random.Random(1)
    batches = {
        f"batch-{number}": [
            used(answered_at_ms=START_MS + drawn.randrange(DAY_MS), status=drawn.choice([200, 429, 504]))
            for _ in range(drawn.randrange(1, 40))
        ]
        for number in range(40)
    }
    sends = [batch_id for batch_id in batches for _ in range(3)]
    drawn.shuffle(sends)
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda batch_id: registry.record_usage(batch_of(batch_id, batches[batch_id])), sends))
    assert sum(stored) == len(batches)
    everything = [it for batch in batches.values() for it in batch]
    (total,) = registry.usage()
    assert total.images == sum(total.latency_histogram) == len(everything)
    assert total.payload_bytes == 1000 * len(everything)
    assert total.service_s == pytest.approx(0.02 * len(everything))
    assert dict(total.statuses) == {status: sum(it.status == status for it in everything) for status in (200, 429, 504)}
    assert sum(row.images for row in registry.usage(by="hour")) == len(everything)


def test_usage_is_summed_by_client_model_status_hour_and_day(registry: RegistryClient) -> None:
    sums = [
        used(),
        used(client_id="bob", answered_at_ms=START_MS + HOUR_MS - 1),
        used(model_key="acme-lane-1", answered_at_ms=START_MS + HOUR_MS),
        used(status=504, answered_at_ms=START_MS + DAY_MS),
    ]
    registry.record_usage(batch_of("batch", sums))
    assert rows(registry, "client") == [("ann", 3), ("bob", 1)]
    assert rows(registry, "model") == [("acme-coco-1", 3), ("acme-lane-1", 1)]
    assert rows(registry, "status") == [("200", 3), ("504", 1)]
    assert rows(registry, "hour") == [("2023-11-14T00:00Z", 2), ("2023-11-14T01:00Z", 1), ("2023-11-15T00:00Z", 1)]
    assert rows(registry, "day,client") == [
        ("2023-11-14", "ann", 2),
        ("2023-11-14", "bob", 1),
        ("2023-11-15", "ann", 1),
    ]


def test_usage_is_sifted_by_client_model_and_time_within_a_batch(registry: RegistryClient) -> None:
    sums = [used(answered_at_ms=START_MS + at, client_id=who) for at in range(10) for who in ("ann", "bob")]
    registry.record_usage(batch_of("batch", sums))
    registry.record_usage(batch_of("other", [used(model_key="acme-lane-1")]))
    (total,) = registry.usage(client_id="bob", model_key="acme-coco-1", from_ms=START_MS + 3, to_ms=START_MS + 7)
    assert total.images == 4
    assert registry.usage(client_id="eve") == []
    assert registry.usage(from_ms=START_MS + 10) == []


def test_what_was_summed_is_kept_beside_the_sums(registry: RegistryClient, mongo_url: str) -> None:
    registry.record_usage(UsageBatch(batch_id="batch", sums=[used(images=2)], answered="one 0 200\none 1 200\n"))
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        assert client.servoir.usage_batches.find_one()["answered"] == "one 0 200\none 1 200\n"


def test_requests_count_once_whatever_their_images(registry: RegistryClient) -> None:
    registry.record_usage(batch_of("batch", [used(requests=int(index == 0)) for index in range(5)]))
    (total,) = registry.usage()
    assert (total.requests, total.images) == (1, 5)


def test_percentiles_come_from_the_histogram_within_their_error(registry: RegistryClient) -> None:
    latencies = sorted(random.Random(2).lognormvariate(-3, 1) for _ in range(500))
    registry.record_usage(
        batch_of("batch", [used(service_s=it * 3 / 4, bucket=latency_bucket(it)) for it in latencies])
    )
    (total,) = registry.usage()
    for share in (0.5, 0.95, 0.99):
        exact = latencies[int(share * len(latencies)) - 1]
        assert percentile_s(total.latency_histogram, share) == pytest.approx(exact, rel=PERCENTILE_ERROR)


def test_bad_batches_and_questions_are_refused(registry: RegistryClient) -> None:
    with pytest.raises(BadRequest, match="batch_id: missing"):
        registry.record_usage(batch_of("", [used()]))
    with pytest.raises(BadRequest, match=r"sums\[1\]\.service_s"):
        registry.record_usage(batch_of("batch", [used(), used(service_s=float("inf"))]))
    with pytest.raises(BadRequest, match="cannot be stored"):
        registry.record_usage(batch_of("batch", [used(payload_bytes=2**64 - 1)]))
    with pytest.raises(BadRequest, match="cannot group by"):
        registry.usage(by="planet")
    assert registry.usage() == []


def test_a_dispatcher_records_usage_with_asyncio(registry: RegistryClient, registry_address: str) -> None:
    async def record_twice() -> list[bool]:
        client = AsyncRegistryClient(registry_address)
        stored = [await client.record_usage(batch_of("batch", [used()])) for _ in range(2)]
        await client.close()
        return stored

    assert asyncio.run(record_twice()) == [True, False]
    assert registry.usage()[0].images == 1


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"client_id": "client-7"}, "sums.client_id_1_sums.answered_at_ms_1"),
        ({"model_key": "acme-m7-1"}, "sums.model_key_1_sums.answered_at_ms_1"),
        ({"from_ms": START_MS + 70_000, "to_ms": START_MS + 80_000}, "sums.answered_at_ms_1"),
        ({"client_id": "client-7", "from_ms": START_MS}, "sums.client_id_1_sums.answered_at_ms_1"),
    ],
)
def test_a_question_about_some_usage_reads_no_more_batches_than_it_needs(
    registry: RegistryClient, mongo_url: str, asked: dict[str, Any], index: str
) -> None:
    for number in range(100):
        batch = [
            used(client_id=f"client-{number}", model_key=f"acme-m{number}-1", answered_at_ms=START_MS + number * 1000)
        ]
        registry.record_usage(batch_of(f"batch-{number}", batch * 3))
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        explained = client.servoir.command(
            "explain",
            {
                "aggregate": "usage_batches",
                "pipeline": usage_pipeline(GetUsageRequest(**asked), ["hour"]),
                "cursor": {},
            },
            verbosity="executionStats",
        )
    assert _indexes(explained) == {index}
    assert (
        _found(explained)["executionStats"]["totalDocsExamined"]
        == sum(row.images for row in registry.usage(**asked)) / 3
    )


def test_no_question_of_the_registry_scans_a_collection_that_grows(registry: RegistryClient, mongo_url: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        client.servoir.command("profile", 2)
        registry.publish(modelinfo(), actor="ann")
        registry.set_status("acme-coco-1", "released", actor="ann")
        registry.set_default("bbox", "acme-coco-1", actor="ann")
        registry.history()
        registry.history("acme-coco-1")
        registry.record_usage(batch_of("batch", [used()]))
        registry.usage(client_id="ann", by="hour")
        registry.usage(from_ms=1, by="model")
        client.servoir.command("profile", 0)
        asked = list(client.servoir["system.profile"].find({"ns": {"$regex": r"^servoir\.(history|usage_batches)$"}}))
    plans = {it["planSummary"] for it in asked if it.get("planSummary")}
    assert plans
    assert not {plan for plan in plans if "COLLSCAN" in plan}


def test_leases_are_forgotten_by_mongodb_when_no_registry_is_there_to_do_it(
    registry, registry_address, mongo_url
) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        indexes = client.servoir.leases.index_information()
        assert indexes["renewed_at_1"]["expireAfterSeconds"] == 3600
        registry.publish(modelinfo(), actor="ann")
        from services.registry.client import LeaseKeeper

        keeper = LeaseKeeper(registry_address, lease())
        keeper.start()
        wait_until(lambda: client.servoir.leases.count_documents({"renewed_at": {"$type": "date"}}) == 1)
        keeper.stop()


def _found(explained: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an explained aggregation that reads the collection."""
    return next((it["$cursor"] for it in explained.get("stages", []) if "$cursor" in it), explained)


def _indexes(part: Any) -> set[str]:
    """Return the names of all indexes in the winning plan."""
    plan = _found(part)["queryPlanner"]["winningPlan"] if isinstance(part, dict) and "ok" in part else part
    if isinstance(plan, list):
        return {name for it in plan for name in _indexes(it)}
    if not isinstance(plan, dict):
        return set()
    own = {plan["indexName"]} if "indexName" in plan else set()
    return own.union(*(_indexes(it) for it in plan.values()))


def exact(**fields: Any) -> UsageSum:
    """Return usage whose seconds can be summed in any order."""
    return used(**{"service_s": 0.25, **fields})


def test_what_is_rolled_up_is_summed_as_before_but_by_the_hour(registry: RegistryClient, mongo_url: str) -> None:
    for number in range(5):
        moment = START_MS + number * HOUR_MS
        records = [
            exact(answered_at_ms=moment, status=status, requests=int(index == 0))
            for index, status in enumerate((200, 422))
        ]
        registry.record_usage(
            batch_of(f"old-{number}", [*records, exact(answered_at_ms=moment, client_id="bob", service_s=1.5)])
        )
    registry.record_usage(
        batch_of("straddling", [exact(answered_at_ms=START_MS + DAY_MS + shift) for shift in (-1, 0)])
    )
    registry.record_usage(batch_of("recent", [exact(answered_at_ms=START_MS + 2 * DAY_MS)]))
    before = {by: registry.usage(by=by) for by in ("", "client", "model,status", "day,client")}

    for _ in range(2):
        registry.roll_up_usage(days_before_ms=START_MS + DAY_MS)

    assert {by: registry.usage(by=by) for by in before} == before
    assert rows(registry, "day", from_ms=START_MS, to_ms=START_MS + DAY_MS) == [("2023-11-14", 16)]
    assert rows(registry, "hour", client_id="bob") == [("2023-11-14T00:00Z", 5)]
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        assert {batch["_id"] for batch in client.servoir.usage_batches.find()} == {"straddling", "recent"}


def test_the_usage_of_many_clients_is_rolled_up_in_few_calls_of_mongodb(
    registry: RegistryClient, mongo_url: str
) -> None:
    registry.record_usage(batch_of("batch", [used(client_id=f"client-{number}") for number in range(500)]))
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:

        def updates() -> int:
            return int(client.admin.command("serverStatus")["metrics"]["commands"]["update"]["total"])

        before = updates()
        registry.roll_up_usage(days_before_ms=START_MS + DAY_MS)

        assert updates() - before < 10
        assert client.servoir.usage_days.count_documents({}) == 500


@pytest.mark.parametrize("days_before_ms", [START_MS + 2 * DAY_MS, 0], ids=["rolled up", "as it came"])
def test_usage_is_forgotten_after_a_time(registry: RegistryClient, days_before_ms: int) -> None:
    for day in range(4):
        registry.record_usage(batch_of(f"day-{day}", [used(answered_at_ms=START_MS + day * DAY_MS)]))
    registry.roll_up_usage(days_before_ms=days_before_ms, forget_before_ms=START_MS + DAY_MS)

    assert rows(registry, "day") == [("2023-11-15", 1), ("2023-11-16", 1), ("2023-11-17", 1)]


def test_two_that_roll_up_at_once_count_everything_once(registry: RegistryClient) -> None:
    for number in range(300):
        registry.record_usage(batch_of(f"batch-{number}", [used(answered_at_ms=START_MS + number)]))

    def roll_up(_: int) -> None:
        with suppress(Conflict):
            registry.roll_up_usage(days_before_ms=START_MS + DAY_MS)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(roll_up, range(3)))
    registry.roll_up_usage(days_before_ms=START_MS + DAY_MS)

    assert rows(registry, "day") == [("2023-11-14", 300)]
