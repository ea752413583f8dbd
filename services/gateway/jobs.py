"""The collection of jobs, ``/api/vision/v3/jobs``: asynchronous predictions, and background jobs.

A multipart body is predicted asynchronously, through the queue; a JSON body is a background job, for the workers. Each
is seen by the client that submitted it only; background jobs by operators too.
"""

from __future__ import annotations

import re

import msgspec
from flask import Blueprint, Response, g, request

from chassis.errors import BadRequest, NotFound
from services.gateway import background
from services.gateway.api_keys import caller
from services.gateway.asynchronous import AsynchronousPrediction, shown
from services.gateway.background import BackgroundJob, BackgroundJobs, whose
from services.gateway.models import json_response
from services.gateway.operations import IMAGES, Query, operation
from services.gateway.parts import parts
from services.gateway.submissions import JobRef, submitted
from services.gateway.vision import PREDICTION_PROBLEMS, PREDICTION_QUERY, V3
from services.jobs.client import KINDS, is_id

_TASK = Query("task", "Multipart: `bbox`, `polygon`, `lane` or `classify`, where the form names none; else `bbox`")
_LIMIT = Query("limit", "How many, at most 1000; 100 where it is not said", "integer")
_ASYNCHRONOUS = re.compile(r"[0-9a-f]{32}").fullmatch
_RANGE = Query("Range", "`bytes=<first>-<last>`: a part of it; others are ignored", place="header")
_MOST = 1000

v3 = Blueprint("jobs", __name__, url_prefix=f"{V3}/jobs")


@v3.post("")
@operation(
    "Jobs",
    JobRef,
    status=202,
    problems=PREDICTION_PROBLEMS,
    takes=(IMAGES, *(kind.parameters for kind in KINDS.values())),
    query=(*PREDICTION_QUERY, _TASK),
    located=True,
)
def create() -> Response:
    """Predict asynchronously (multipart), or have a background job done (JSON): answered as soon as it is accepted.

    All images of a prediction are accepted together or not at all. Either is looked at, and its result fetched, from
    ``Location``. With an ``Idempotency-Key`` of before, it is the job of before.
    """
    if request.mimetype == "application/json":
        return background.submitted()
    return submitted(g.exchange).response()


@v3.get("")
@operation("Jobs", BackgroundJobs, problems=(400, 503), query=(_LIMIT,))
def every_job() -> Response:
    """List background jobs, newest first: one's own, an operator everybody's."""
    text = request.args.get("limit", "100")
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= _MOST):
        raise BadRequest(f"limit: a number from 1 to {_MOST}")
    jobs = parts().jobs.jobs(client_id=whose(), limit=int(text))
    return json_response(BackgroundJobs([background.shown(job) for job in jobs]))


@v3.get("/<id>")
@operation("Jobs", (AsynchronousPrediction, BackgroundJob), problems=(404, 503))
def show(id: str) -> Response:
    """Show how a job is doing, and at its end the answer or the problem."""
    if is_id(id):
        return json_response(background.shown(parts().jobs.job(id, client_id=whose())))
    return json_response(shown(parts().queue.job(_asynchronous(id), client_id=caller().client_id)))


@v3.delete("/<id>")
@operation("Jobs", (AsynchronousPrediction, BackgroundJob), problems=(404, 409, 429, 503))
def cancel(id: str) -> Response:
    """Cancel a job. Of an asynchronous prediction, what waits is never run, and what runs is let finish.

    A background job ends as soon as its worker looks. Where nothing is left to cancel, that is said with 409.
    """
    if is_id(id):
        return json_response(background.shown(parts().jobs.cancel(id, client_id=whose())))
    return json_response(shown(parts().queue.cancel(_asynchronous(id), client_id=caller().client_id)))


@v3.post("/<id>/retry")
@operation("Jobs", BackgroundJob, problems=(404, 409, 503))
def retry(id: str) -> Response:
    """Have a background job that failed or was cancelled go on from where it was."""
    return json_response(background.shown(parts().jobs.retry(_background(id), client_id=whose())))


class Log(msgspec.Struct):
    """The newest lines of a background job's log, oldest first."""

    lines: list[str]


@v3.get("/<id>/log")
@operation("Jobs", Log, problems=(404, 503))
def log(id: str) -> Response:
    """Show a background job's log."""
    return json_response(Log(parts().jobs.log(_background(id), client_id=whose())))


@v3.get("/<id>/results")
@operation("Jobs", background.Results, problems=(404, 503))
def results(id: str) -> Response:
    """List the files that came out of a background job so far."""
    return json_response(background.results(_background(id)))


@v3.get("/<id>/results/<path:name>")
@operation("Jobs", "*/*", also=(206, 304), problems=(404, 412, 416, 503), query=(_RANGE,))
def result(id: str, name: str) -> Response:
    """Send a file that came out of a background job; parts of it with ``Range``."""
    return background.result(_background(id), name)


def _asynchronous(id: str) -> str:
    if not _ASYNCHRONOUS(id):
        raise NotFound("no such job")
    return id


def _background(id: str) -> str:
    if not is_id(id):
        raise NotFound("no such background job")
    return id
