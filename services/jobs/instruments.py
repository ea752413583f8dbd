"""What a worker shows of all jobs at its metrics port."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Sequence

from chassis.metrics import Counter, Gauge
from services.jobs.job import Job
from services.jobs.settings import QUEUES

_JOBS = Gauge("servoir_jobs_active_jobs", "Jobs that wait or run, over all workers", ["queue", "state"])
_RUNS = Counter("servoir_jobs_runs_total", "Runs that this worker began, of jobs and periodic tasks")
_STATES = ("queued", "running", "cancelling")


def show(active: Sequence[Job]) -> None:
    """Show the jobs that wait or run."""
    counts = Count((job.queue, str(job.state)) for job in active)
    for queue in QUEUES:
        for state in _STATES:
            _JOBS.labels(queue, state).set(counts[queue, state])


def count_run() -> None:
    """Count a run that begins."""
    _RUNS.inc()
