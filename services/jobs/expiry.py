"""Results that are not to be kept any longer: their records and their files go."""

from __future__ import annotations

from pathlib import Path

from chassis import logs
from services.jobs.folders import job_folder
from services.jobs.records import Records

log = logs.logger()


def remove_expired(records: Records, jobs_folder: Path) -> int:
    """Remove what has expired; return how many jobs."""
    jobs = records.expired()
    for job in jobs:
        job_folder(jobs_folder, job).remove()
        records.forget(job)
        log.info("job_expired", job=job)
    return len(jobs)
