"""What is to be done again and again: results that have expired go. Each time once, however many schedulers there are.

Each time has an id made of its moment, under which RQ's scheduler takes it but once; when it comes, it first has the
next one scheduled, and so does every worker that starts.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple

from chassis import logs
from chassis.settings import load
from services.jobs.broker import Broker
from services.jobs.expiry import remove_expired
from services.jobs.records import Records, connect
from services.jobs.settings import Settings

log = logs.logger()


class Task(NamedTuple):
    """Something to be done every *every_s*."""

    name: str
    every_s: int


TASKS = (Task("expiry", 300),)


def schedule_all(broker: Broker) -> None:
    """Have the next time of every task scheduled."""
    for task in TASKS:
        schedule_next(broker, task, time.time())


def schedule_next(broker: Broker, task: Task, now_s: float) -> None:
    """Have the next time of *task* scheduled: the times are whole multiples of its period."""
    moment = (int(now_s) // task.every_s + 1) * task.every_s
    when = datetime.fromtimestamp(moment, UTC)
    broker.schedule(f"{__name__}.{task.name}", when, id=f"{task.name}-{when:%Y%m%dT%H%M%S}")


def expiry(id: str) -> None:
    """Remove the results that have expired; RQ calls this."""
    settings = load(Settings)
    client = connect(settings.redis_url)
    broker = Broker(client)
    schedule_next(broker, TASKS[0], time.time())
    remove_expired(Records(client, broker.enqueue), settings.jobs_folder)
    log.info("results_expired", task=id)
