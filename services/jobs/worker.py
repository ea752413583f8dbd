"""A worker: RQ's own, which looks after orphaned jobs as well, and ends a job at its checkpoint when it is to end."""

from __future__ import annotations

import logging
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from redis.exceptions import RedisError
from rq import Worker as RqWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from chassis import logs
from services.jobs.broker import queue_of
from services.jobs.caretaker import Caretaker
from services.jobs.instruments import count_run
from services.jobs.records import connect
from services.jobs.settings import Settings

log = logs.logger()
_LOOK_S = 2
_CLEAN_S = 60.0
_AGAIN_S = 1.0


@dataclass
class Ending:
    """Whether this process was told to end: its workers come and go with Redis, and what one was told holds for all."""

    asked: bool = False


def serve(settings: Settings, caretaker: Caretaker) -> None:
    """Do jobs until SIGTERM; RQ's own worker ends whenever Redis does, so there is another then."""
    ending = Ending()
    _end_on_signals()
    with suppress(StopRequested):  # raised by whoever hears the signal
        while not ending.asked:
            time.sleep(_work(settings, caretaker, ending))


def _work(settings: Settings, caretaker: Caretaker, ending: Ending) -> float:
    """Do jobs until told to end, or Redis is lost; return how long to wait before the next worker."""
    try:
        worker = Worker(settings, connect(settings.redis_url), caretaker, ending)
        worker.work(logging_level=logging.getLevelName(logging.WARNING))
    except RedisError as error:
        log.warning("redis_lost", reason=str(error))
    _end_on_signals()
    return 0.0 if ending.asked else _AGAIN_S


def _end_on_signals() -> None:
    """Hear signals to end where no worker of RQ's does: the handlers of one that is over call Redis, and fail."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def _end(*_: object) -> NoReturn:
    raise StopRequested


class Worker(RqWorker):  # type: ignore[misc]
    """Does one job at a time, in a process of its own, so that all that it took comes back at its end."""

    def __init__(self, settings: Settings, client: Any, caretaker: Caretaker, ending: Ending) -> None:
        self._caretaker, self._ending, self._cleaned_s = caretaker, ending, 0.0
        super().__init__(
            [queue_of(name, client) for name in settings.jobs_queues],
            connection=client,
            serializer=JSONSerializer,
            worker_ttl=15 + _LOOK_S,
            maintenance_interval=_LOOK_S,
            job_monitoring_interval=_LOOK_S,
            log_job_description=False,
        )

    def run_maintenance_tasks(self) -> None:
        """Look after all jobs every few seconds, and after RQ's registries now and then."""
        self._caretaker.look()
        if time.monotonic() - self._cleaned_s > _CLEAN_S:
            self._cleaned_s = time.monotonic()
            super().run_maintenance_tasks()

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Always: what is due is known by whoever does it."""
        return True

    def maintain_heartbeats(self, job: Any, execution: Any) -> None:
        """Keep RQ's signs of life while a job runs; Redis may be away for a while."""
        try:
            super().maintain_heartbeats(job, execution)
            self._caretaker.look()
        except RedisError as error:
            log.warning("redis_lost", reason=str(error))

    def execute_job(self, job: Any, queue: Any) -> None:
        """Have a job done, in a process of its own."""
        count_run()
        super().execute_job(job, queue)

    def perform_job(self, job: Any, queue: Any, execution: Any) -> bool:
        """Do a job, in its process, which ends without exit handlers."""
        try:
            return bool(super().perform_job(job, queue, execution))
        finally:
            logs.flush()

    def handle_warm_shutdown_request(self) -> None:
        """Tell the job at hand to end at its next checkpoint."""
        self._ending.asked = True
        log.info("worker_ends", horse=self.horse_pid)
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)
