"""The door to background jobs, for the gateways."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from chassis.errors import NotFound
from services.jobs.broker import Broker
from services.jobs.folders import job_folder
from services.jobs.job import Job, Owner, State, is_id, new_id, repeated_id
from services.jobs.kinds import KINDS, check, kind_of, read_parameters
from services.jobs.kinds.kind import Parameters, Submission
from services.jobs.limits import UploadLimits
from services.jobs.records import Records, connect
from services.jobs.sources import UPLOAD, allowed_path, is_upload
from services.jobs.uploads import Upload, Uploads, uploads_of

__all__ = [
    "KINDS",
    "UPLOAD",
    "Job",
    "JobsClient",
    "Owner",
    "Parameters",
    "State",
    "Submission",
    "Upload",
    "UploadLimits",
    "Uploads",
    "allowed_path",
    "check",
    "is_id",
    "is_upload",
    "read_parameters",
    "uploads_of",
]


class JobsClient:
    """Submits jobs and looks after them; for all threads of a process, made after a fork.

    Where a *client_id* is asked for, None stands for everybody's. What fails raises from the tree of
    ``chassis/errors.py``: NotFound for what is another client's too, Unavailable where Redis is away.
    """

    def __init__(self, redis_url: str, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = connect(redis_url)
        self._records = Records(self._redis, Broker(self._redis).enqueue, clock=clock)
        self._folder, self._clock = folder, clock

    def submit(self, parameters: Parameters, *, owner: Owner, repeat: str = "") -> Job:
        """Have a job done, whose parameters were checked; return it.

        With the same *repeat* of the same client, it is the job of before; Conflict where that was another.
        """
        kind = kind_of(parameters)
        job = Job(
            id=repeated_id(kind.name, owner.client_id, repeat) if repeat else new_id(kind.name),
            kind=kind.name,
            queue=kind.queue,
            parameters=msgspec.json.encode(parameters),
            owner=owner,
            name=parameters.name,
            keep_s=parameters.keep_s,
            created_s=self._clock(),
        )
        return self._records.add(job)

    def job(self, id: str, *, client_id: str | None) -> Job:
        """Return a job."""
        job = self._records.job(id)
        if client_id is not None and job.owner.client_id != client_id:
            raise NotFound("no such job")
        return job

    def jobs(self, *, client_id: str | None, limit: int = 100) -> list[Job]:
        """Return jobs, newest first."""
        return self._records.jobs(client_id, limit=limit)

    def cancel(self, id: str, *, client_id: str | None) -> Job:
        """Have a job end; raises WrongState where it is over."""
        self.job(id, client_id=client_id)
        self._records.cancel(id)
        return self._records.job(id)

    def retry(self, id: str, *, client_id: str | None) -> Job:
        """Have a job that failed or was cancelled go on from where it was; raises WrongState."""
        self.job(id, client_id=client_id)
        self._records.retry(id)
        return self._records.job(id)

    def log(self, id: str, *, client_id: str | None) -> list[str]:
        """Return the newest lines of a job's log, oldest first."""
        self.job(id, client_id=client_id)
        return self._records.log(id)

    def results(self, id: str, *, client_id: str | None) -> list[tuple[str, int]]:
        """Return the name and the bytes of each file that came out of a job so far."""
        self.job(id, client_id=client_id)
        return list(job_folder(self._folder, id).files())

    def result(self, id: str, name: str, *, client_id: str | None) -> Path:
        """Return where a file that came out of a job is; raises NotFound."""
        self.job(id, client_id=client_id)
        return job_folder(self._folder, id).file(name)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
