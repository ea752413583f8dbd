"""A run's sign of life: its last words are not lost with a Redis that is away."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from chassis.errors import Unavailable
from services.jobs.broker import Broker
from services.jobs.heartbeat import Heartbeat
from services.jobs.job import Job, Owner
from services.jobs.records import Records, connect
from tests.parts import start_redis


def test_what_a_job_came_to_is_written_though_redis_was_away_at_its_end(tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)
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
    beat = Heartbeat(records, job.id, "worker", lease_s=60, parent=os.getppid(), stop=threading.Event())
    beat.start()

    server.kill()
    beat.say(done=7, total=7)
    beat.describe({"regions": 3})
    with pytest.raises(Unavailable):
        beat.finish("done", "")
    server.start()
    beat.finish("done", "")

    told = records.job(job.id)
    assert (told.state, told.done, told.total, told.figures) == ("done", 7, 7, {"regions": 3})
