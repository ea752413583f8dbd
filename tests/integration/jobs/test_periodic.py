"""What is done again and again: once, however many schedulers are up."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pymongo
import pytest
import redis

from chassis.errors import NotFound
from chassis.rpc.registry_pb2 import UsageBatch, UsageSum
from services.jobs.broker import PERIODIC_QUEUE, Broker, Schedule, queue_of
from services.jobs.caretaker import Caretaker
from services.jobs.expiry import remove_expired
from services.jobs.job import Job, Owner
from services.jobs.limits import UploadLimits
from services.jobs.periodic import EVERY_S, schedule_all, schedule_next
from services.jobs.records import Records, connect
from services.jobs.uploads import KEPT_S, Uploads
from services.registry.client import RegistryClient
from tests.chaos.world import MODEL
from tests.integration.jobs.jobs_world import JobsWorld
from tests.parts import wait_until

DAY_MS = 86_400_000


def test_the_next_time_is_scheduled_once_by_however_many(redis_url: str) -> None:
    broker, now_s = Broker(connect(redis_url)), time.time()

    first = [schedule_next(broker, name, now_s) for name in EVERY_S]
    schedule_all(Broker(connect(redis_url)), now_s)
    later = [schedule_next(broker, name, now_s + EVERY_S[name]) for name in EVERY_S]

    assert first == later == [True] * len(EVERY_S)
    assert queue_of(PERIODIC_QUEUE, connect(redis_url)).scheduled_job_registry.count == 2 * len(EVERY_S)


def test_a_redis_that_lost_its_data_has_the_next_times_again(redis_url: str) -> None:
    client, now_s = connect(redis_url), [time.time() + 86_400]
    broker = Broker(client)
    caretaker = Caretaker(Records(client, broker.enqueue), broker, Schedule(client), lease_s=10, clock=lambda: now_s[0])
    scheduled = queue_of(PERIODIC_QUEUE, client).scheduled_job_registry
    caretaker.look()
    before = scheduled.count

    client.flushall()
    caretaker.look()
    at_once = scheduled.count
    now_s[0] += 100
    caretaker.look()

    assert (before, at_once, scheduled.count) == (len(EVERY_S), 0, len(EVERY_S))


def test_two_workers_do_each_time_once(world: JobsWorld) -> None:
    world.start_worker("jobs-1")
    with redis.Redis.from_url(world.redis_url) as client:
        for number in range(3):
            Broker(client).schedule("services.jobs.periodic.expiry", datetime.now(UTC), id=f"expiry-{number}")

    logs = [world.parts[name].log for name in ("jobs-0", "jobs-1")]

    def done() -> str:
        return "".join(line for log in logs for line in log.read_text().splitlines() if "expired_removed" in line)

    wait_until(lambda: all(f"expiry-{number}" in done() for number in range(3)), what="all are done")
    assert [done().count(f'"expiry-{number}"') for number in range(3)] == [1, 1, 1]
    world.parts["jobs-1"].stop()


def test_what_expired_while_no_worker_was_up_goes_with_the_next_one(world: JobsWorld) -> None:
    world.parts["jobs-0"].terminate()
    records = records_in(world.redis_url)
    gone, kept = over(records, "gone", keep_s=-1), over(records, "kept", keep_s=60)
    for name in (gone, kept):
        (world.jobs_folder / name / "results").mkdir(parents=True)
    do_now(world, "expiry")

    world.parts["jobs-0"].start()
    wait_until(lambda: not (world.jobs_folder / gone).exists(), what="the results are gone")

    with pytest.raises(NotFound):
        records.job(gone)
    assert records.job(kept).state == "cancelled" and (world.jobs_folder / kept).exists()


def test_a_worker_has_old_usage_rolled_up_and_what_is_older_yet_forgotten(world: JobsWorld) -> None:
    registry, now_ms = RegistryClient(world.registry_address), round(time.time() * 1000)
    for days in (1, 100, 500):
        answered_at_ms = now_ms - days * DAY_MS
        used = UsageSum(client_id=f"{days} d", model_key=MODEL, status=200, answered_at_ms=answered_at_ms, images=1)
        registry.record_usage(UsageBatch(batch_id=f"{days} d", sums=[used]))

    do_now(world, "usage")
    wait_until(lambda: len(registry.usage(by="client")) < 3, what="the oldest is forgotten")

    assert {row.group["client"] for row in registry.usage(by="client")} == {"1 d", "100 d"}
    with pymongo.MongoClient[dict[str, Any]](world.mongo_url) as client:
        kept = client.servoir
        assert [batch["_id"] for batch in kept.usage_batches.find()] == ["1 d"]
        assert kept.usage_days.count_documents({}) == 1
    registry.close()


def do_now(world: JobsWorld, task: str) -> None:
    """Have a worker do a task of services/jobs/periodic.py as soon as one can."""
    with redis.Redis.from_url(world.redis_url) as client:
        Broker(client).schedule(f"services.jobs.periodic.{task}", datetime.now(UTC), id=f"{task}-now")


LIMITS = UploadLimits(upload_bytes=10, upload_files=1, client_bytes=100, client_uploads=10, free_bytes=0)


def records_in(redis_url: str) -> Records:
    client = connect(redis_url)
    return Records(client, Broker(client).enqueue)


@pytest.fixture
def records(redis_url: str) -> Records:
    return records_in(redis_url)


def added(records: Records, name: str, *, keep_s: float = 60, parameters: bytes = b"{}") -> str:
    """Return a job that waits."""
    job = Job(
        id=f"{name}-0123456789abcdef",
        kind=name,
        queue="default",
        parameters=parameters,
        owner=Owner("ann"),
        keep_s=keep_s,
        created_s=time.time(),
    )
    return records.add(job).id


def over(records: Records, name: str, *, keep_s: float) -> str:
    """Return a job that is cancelled."""
    job = added(records, name, keep_s=keep_s)
    records.cancel(job)
    return job


def test_what_has_expired_goes_with_its_files(records: Records, tmp_path: Path) -> None:
    gone, kept = over(records, "gone", keep_s=-1), over(records, "kept", keep_s=60)
    for name in (gone, kept, "unknown-0123456789abcdef", "not a job"):
        (tmp_path / name / "results").mkdir(parents=True)
    old, new = (
        Uploads(tmp_path / "uploads", LIMITS),
        Uploads(tmp_path / "uploads", LIMITS, clock=lambda: time.time() + KEPT_S + 60),
    )
    old.create("ann")

    removed = remove_expired(records, new, tmp_path, time.time() + 2 * 86_400)

    assert removed == {"jobs": 1, "uploads": 1, "unknown": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == [kept, "not a job", "uploads"]
    assert [job.id for job in records.jobs("ann", limit=9)] == [kept]


def test_an_upload_stays_while_a_job_waits_runs_or_can_be_tried_again(records: Records, tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", LIMITS)
    names = ("waiting", "running", "failed", "cancelled", "done", "forgotten")
    of = {name: uploads.create("ann").id for name in names}
    for name, upload in of.items():
        told = msgspec.json.encode({"kind": "predict", "source": ["/pictures", f"upload:{upload}"]})
        job = added(records, name, keep_s=-1 if name == "forgotten" else 60, parameters=told)
        if name in ("running", "failed", "done"):
            records.claim(job, "worker", lease_s=60)
        if name in ("failed", "done"):
            records.finish(job, "worker", name, "", {})
        if name in ("cancelled", "forgotten"):
            records.cancel(job)
    later = Uploads(tmp_path / "uploads", LIMITS, clock=lambda: time.time() + KEPT_S + 60)

    removed = remove_expired(records, later, tmp_path, time.time())
    left = {name for name, upload in of.items() if (tmp_path / "uploads" / upload).exists()}

    assert removed == {"jobs": 1, "uploads": 2, "unknown": 0}
    assert left == {"waiting", "running", "failed", "cancelled"}
