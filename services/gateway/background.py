"""Background jobs: taken from JSON, checked for whoever asks, and told."""

from __future__ import annotations

import mimetypes
import time
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Response, request, send_file, url_for
from msgspec import UNSET, UnsetType
from werkzeug.exceptions import HTTPException, PreconditionFailed

from chassis.errors import BadRequest, Forbidden
from chassis.json_text import UNREADABLE
from services.gateway.api_keys import caller, require_admin
from services.gateway.asked import idempotency_key
from services.gateway.asynchronous import moment
from services.gateway.parts import Parts, parts
from services.gateway.submissions import JobRef
from services.jobs import client as jobs
from services.registry.client import ApiKey, ModelCatalogue

_EVERYBODY = "*"
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}


class BackgroundJob(msgspec.Struct, kw_only=True):
    """A background job at this moment.

    *done* of *total* is in pictures for most kinds, *rate* how many a second, *left_s* an estimate of the seconds until
    its end; *stage* what it is doing. *figures* are what came out, in short. Its results go at *expires*.
    """

    id: str
    kind: str
    name: str
    state: jobs.State
    client: str
    queue: str
    parameters: msgspec.Raw
    created: datetime
    started: datetime | UnsetType = UNSET
    ended: datetime | UnsetType = UNSET
    expires: datetime | UnsetType = UNSET
    done: int
    total: int
    stage: str
    rate: float | UnsetType = UNSET
    left_s: float | UnsetType = UNSET
    problem: str | UnsetType = UNSET
    figures: dict[str, Any]
    runs: int


class BackgroundJobs(msgspec.Struct):
    """Background jobs, newest first."""

    jobs: list[BackgroundJob]


class ResultFile(msgspec.Struct):
    """A file that came out of a job; *size* in bytes."""

    name: str
    size: int
    location: str


class Results(msgspec.Struct):
    """The files that came out of a job so far, in the order of their names."""

    files: list[ResultFile]


class Submitted:
    """What a kind's check may ask about the current request (services/jobs/kinds/kind.py)."""

    def __init__(self, gateway: Parts, key: ApiKey) -> None:
        self._gateway, self._key = gateway, key

    @property
    def models(self) -> ModelCatalogue:
        """The models that there are."""
        return self._gateway.models

    def check_model(self, key: str, task: str) -> str:
        """Return the full key of a model that this caller may use."""
        model = self._gateway.models.find(key or None, task)
        if not self._key.may_use(model.key):
            raise Forbidden(f"this API key may not use {model.key}")
        return model.key

    def check_source(self, source: str, *, field: str) -> str:
        """Return where a source is to be read."""
        if jobs.is_upload(source):
            self._gateway.uploads.upload(source.removeprefix(jobs.UPLOAD), client_id=whose())
            return source
        if not self._may_name_folders():
            raise Forbidden(f"{field}: folders of the server are for operators; send an upload, and name upload:<id>")
        return str(jobs.allowed_path(source, self._gateway.settings.jobs_sources, field=field))

    def require_admin(self) -> None:
        """Raise where the caller is no operator."""
        require_admin()

    def _may_name_folders(self) -> bool:
        """Whether this caller may; a page of another origin never, whoever looks at it."""
        origin = request.headers.get("Origin")
        if origin is not None and origin.rpartition("/")[2] != request.host:
            return False
        return self._key.admin or self._key.client_id in self._gateway.settings.jobs_source_clients


def whose() -> str | None:
    """Return whose jobs and uploads the caller sees: its own client's, None for everybody's."""
    return None if caller().admin else caller().client_id


def submitted() -> Response:
    """Take a job from the current request's JSON, and answer 202 as soon as it is accepted."""
    gateway, key = parts(), caller()
    may = gateway.settings.jobs_clients
    if not key.admin and _EVERYBODY not in may and key.client_id not in may:
        raise Forbidden("this client may not have background jobs done (SERVOIR_JOBS_CLIENTS)")
    repeat = idempotency_key(request.environ)
    try:
        parameters = jobs.read_parameters(request.get_data())
    except UNREADABLE as error:
        raise BadRequest(f"a job's JSON: {error}") from error
    checked = jobs.check(parameters, Submitted(gateway, key))
    job = gateway.jobs.submit(checked, owner=_owner(key), repeat=repeat)
    location = url_for("jobs.show", id=job.id)
    body = msgspec.json.encode(JobRef(job.id, location))
    return Response(body, 202, headers={"Location": location}, mimetype="application/json")


def _owner(key: ApiKey) -> jobs.Owner:
    return jobs.Owner(
        client_id=key.client_id,
        weight=key.weight,
        key_id=key.id,
        requests_per_s=key.requests_per_s,
        burst=key.burst,
        requests_per_day=key.requests_per_day,
    )


def shown(job: jobs.Job) -> BackgroundJob:
    """Return what its client is told of *job*."""
    now_s = time.time()
    rate, left_s = job.rate(now_s), job.left_s(now_s)
    return BackgroundJob(
        id=job.id,
        kind=job.kind,
        name=job.name,
        state=job.state,
        client=job.owner.client_id,
        queue=job.queue,
        parameters=msgspec.Raw(job.parameters),
        created=moment(job.created_s),
        started=moment(job.started_s) if job.started_s else UNSET,
        ended=moment(job.ended_s) if job.ended_s else UNSET,
        expires=moment(job.expires_s) if job.expires_s else UNSET,
        done=job.done,
        total=job.total,
        stage=job.stage,
        rate=UNSET if rate is None else round(rate, 3),
        left_s=UNSET if left_s is None else round(left_s, 1),
        problem=job.problem or UNSET,
        figures=job.figures,
        runs=job.runs,
    )


def results(id: str) -> Results:
    """Return the files that came out of a job."""
    found = parts().jobs.results(id, client_id=whose())
    return Results([ResultFile(name, size, url_for("jobs.result", id=id, name=name)) for name, size in found])


def result(id: str, name: str) -> Response:
    """Send a file that came out of a job."""
    path = parts().jobs.result(id, name, client_id=whose())
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    response = send_file(path.resolve(), mimetype=kind, download_name=path.name, conditional=False)
    try:
        response.make_conditional(_conditions(), accept_ranges=True, complete_length=response.content_length)
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise PreconditionFailed
    except HTTPException:
        response.close()
        raise
    response.headers.update(_POLICY)
    return response


def _conditions() -> dict[str, Any]:
    """Return the current request without a ``Range`` that is not understood here, which RFC 9110 wants ignored.

    That is one of several parts, in another unit, or malformed; Werkzeug would refuse them.
    """
    asked = request.range
    if asked and asked.units == "bytes" and len(asked.ranges) == 1:
        return request.environ
    return {name: value for name, value in request.environ.items() if name != "HTTP_RANGE"}
