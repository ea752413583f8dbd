"""What is not to be kept any longer goes: jobs that are over for long, uploads, and folders that nobody knows."""

from __future__ import annotations

from pathlib import Path

from chassis.errors import NotFound
from services.jobs.folders import job_folder
from services.jobs.job import is_id
from services.jobs.records import Records
from services.jobs.sources import uploads_named
from services.jobs.uploads import Upload, Uploads

_UNKNOWN_KEPT_S = 86_400.0


def remove_expired(records: Records, uploads: Uploads, jobs_folder: Path, now_s: float) -> dict[str, int]:
    """Remove what has expired; return how many of each. An upload stays for as long as a job may read it yet."""
    jobs = records.expired()
    for job in jobs:
        job_folder(jobs_folder, job).remove()
        records.forget(job)
    old = _unneeded(list(uploads.expired()), records)
    for upload in old:
        uploads.remove(upload)
    return {"jobs": len(jobs), "uploads": len(old), "unknown": _remove_unknown(records, jobs_folder, now_s)}


def _unneeded(uploads: list[Upload], records: Records) -> list[Upload]:
    """Return those of *uploads* that no job reads, is to read, or would read when it is tried again."""
    if not uploads:
        return []
    needed = {name for job in records.unfinished() for name in uploads_named(job.parameters)}
    return [upload for upload in uploads if upload.id not in needed]


def _remove_unknown(records: Records, jobs_folder: Path, now_s: float) -> int:
    """Remove the folders of jobs that have no record, say because Redis lost it, once nothing has changed in a day."""
    removed = 0
    for path in jobs_folder.iterdir() if jobs_folder.is_dir() else ():
        if not is_id(path.name) or now_s - path.stat().st_mtime < _UNKNOWN_KEPT_S:
            continue
        try:
            records.job(path.name)
        except NotFound:
            job_folder(jobs_folder, path.name).remove()
            removed += 1
    return removed
