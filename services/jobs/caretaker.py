"""Looks after all jobs: one whose worker died, or whose vehicle was lost, goes to its queue again; and after times."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from chassis import logs
from chassis.errors import Unavailable
from services.jobs import periodic
from services.jobs.broker import Broker, Schedule
from services.jobs.instruments import show
from services.jobs.job import Job
from services.jobs.records import Records, translated

log = logs.logger()
_SCHEDULE_S = 60.0


class Caretaker:
    """Every worker has one: whichever looks first does it."""

    def __init__(
        self,
        records: Records,
        broker: Broker,
        schedule: Schedule,
        *,
        lease_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._broker, self._schedule = records, broker, schedule
        self._lease_s, self._clock = lease_s, clock
        self._scheduled_s = float("-inf")

    def look(self) -> None:
        """Put every job that nobody runs and no vehicle waits for into its queue again, and what is due as well."""
        try:
            with translated():
                self._keep_scheduled()
                self._schedule.look()
            active = self._records.active()
            for job in active:
                if self._is_orphaned(job) and self._records.put_again(job.id):
                    log.warning("job_put_again", job=job.id, state=job.state)
        except Unavailable as error:
            log.warning("redis_lost", reason=error.detail)
        else:
            show(active)

    def _keep_scheduled(self) -> None:
        """Have what is done again and again scheduled: a Redis that lost its data, or an error, may have ended it."""
        now_s = self._clock()
        if now_s - self._scheduled_s > _SCHEDULE_S:
            periodic.schedule_all(self._broker, now_s)
            self._scheduled_s = now_s

    def stop(self) -> None:
        """Let others look after everything at once."""
        with suppress(Unavailable), translated():
            self._schedule.stop()

    def _is_orphaned(self, job: Job) -> bool:
        if self._records.is_run(job.id):
            return False
        if job.state != "queued":
            return True
        return self._clock() - job.queued_s > self._lease_s and not self._broker.waits(job.queue, job.vehicle)
