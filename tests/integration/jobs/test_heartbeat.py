"""A run's sign of life: its last words are not lost with a Redis that is away, and who is to end is not to blame."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.errors import Unavailable
from services.jobs.broker import Broker
from services.jobs.heartbeat import Heartbeat
from services.jobs.job import Job, Owner
from services.jobs.records import Records, connect
from tests.parts import start_redis, wait_until


def claimed(url: str) -> tuple[Records, Job]:
    """Return a job that ``worker`` has."""
    client = connect(url)
    records = Records(client, Broker(client).enqueue)
    job = Job(
        id="predict-0123456789abcdef",
        kind="predict",
        queue="default",
        parameters=b"{}",
        owner=Owner("ann"),
        keep_s=60,
        created_s=time.time(),
    )
    records.add(job)
    records.claim(job.id, "worker", lease_s=60)
    return records, job


def beating(records: Records, job: Job, stop: threading.Event, excuse: Callable[[], None]) -> Heartbeat:
    beat = Heartbeat(records, job.id, "worker", lease_s=60, parent=os.getppid(), stop=stop, excuse=excuse)
    beat.start()
    return beat


def test_what_a_job_came_to_is_written_though_redis_was_away_at_its_end(tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)
    records, job = claimed(url)
    beat = beating(records, job, threading.Event(), lambda: None)

    server.kill()
    beat.say(done=7, total=7)
    beat.describe({"regions": 3})
    with pytest.raises(Unavailable):
        beat.finish("done", "")
    server.start()
    beat.finish("done", "")

    told = records.job(job.id)
    assert (told.state, told.done, told.total, told.figures) == ("done", 7, 7, {"regions": 3})


def test_a_process_that_is_told_to_end_is_excused_before_it_can_be_killed(redis_url: str) -> None:
    stop, excused = threading.Event(), threading.Event()
    beat = beating(*claimed(redis_url), stop, excused.set)

    early = excused.is_set()
    stop.set()
    wait_until(excused.is_set, what="it is excused, though the run goes on")
    beat.stop()

    assert not early


def test_a_process_that_loses_its_lease_is_excused_and_ends(redis_url: str) -> None:
    records, job = claimed(redis_url)
    read, write = os.pipe()
    if (process := os.fork()) == 0:
        beating(records, job, threading.Event(), lambda: os.write(write, b"excused") and None)
        time.sleep(60)
        os._exit(0)
    os.close(write)

    records.finish(job.id, "worker", "cancelled", "", {})
    _, status = os.waitpid(process, 0)

    assert os.waitstatus_to_exitcode(status) == 70
    with os.fdopen(read, "rb") as told:
        assert told.read() == b"excused"
