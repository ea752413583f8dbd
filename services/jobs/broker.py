"""RQ's queues: what carries a job to a worker, and what is to be done at a time. Nothing in them is pickled."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from services.jobs.settings import QUEUES

PERFORM = "services.jobs.runner.perform"
PERIODIC_QUEUE = QUEUES[0]
_FORGET_S = 3600


class Broker:
    """The queues in the Redis of *client*."""

    def __init__(self, client: Any) -> None:
        self._redis = client
        self._queues = {name: queue_of(name, client) for name in QUEUES}

    def enqueue(self, pipeline: Any, queue: str, id: str) -> str:
        """Put a vehicle for a job into a queue, within *pipeline*; return the vehicle's id."""
        asked = Queue.prepare_data(PERFORM, args=(id,), timeout=-1, result_ttl=0, failure_ttl=_FORGET_S, description=id)
        [vehicle] = self._queues[queue].enqueue_many([asked], pipeline=pipeline)
        return str(vehicle.id)

    def waits(self, queue: str, vehicle: str) -> bool:
        """Return whether a vehicle is in its queue yet."""
        return self._queues[queue].get_job_position(vehicle) is not None

    def length(self, queue: str) -> int:
        """Return how many vehicles wait in a queue."""
        return int(self._queues[queue].count)

    def schedule(self, function: str, when: datetime, *, id: str) -> bool:
        """Have ``module.function(id)`` called by a worker at *when*; return False where it is to be already.

        However many ask for the same *id*, it is there once, and comes out once.
        """
        try:
            self._queues[PERIODIC_QUEUE].enqueue_at(
                when, function, id, job_id=id, unique=True, job_timeout=600, result_ttl=_FORGET_S, failure_ttl=_FORGET_S
            )
        except DuplicateJobError:
            return False
        return True


class Schedule:
    """RQ's scheduler within a worker: puts what is due into its queue. Of all there are, one at a time does it.

    RQ would run it in a process of its own, which lives on when its worker is killed, and is killed by a lost Redis.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._scheduler: RQScheduler | None = None

    def look(self) -> None:
        """Put what is due into its queue, where this is the one that may; raises RedisError."""
        if self._scheduler is None:
            self._scheduler = RQScheduler(
                [PERIODIC_QUEUE], connection=self._client, serializer=JSONSerializer, logging_level=logging.WARNING
            )
        if self._scheduler.acquire_locks():
            self._scheduler.enqueue_scheduled_jobs()

    def stop(self) -> None:
        """Let another do it at once; raises RedisError."""
        if self._scheduler is not None:
            self._scheduler.release_locks()


def queue_of(name: str, client: Any) -> Queue:
    """Return a queue."""
    return Queue(name, connection=client, serializer=JSONSerializer, is_async=True)
