"""Asynchronous predictions: ``/api/vision/v3/jobs``. A job is seen by the client that submitted it only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from flask import Blueprint, Response
from msgspec import UNSET, UnsetType

from chassis.errors import NotFound
from services.gateway.api_keys import caller
from services.gateway.envelope import Clock, EnvelopeV3, ModelRef, Outcome, envelope_v3, result_v3
from services.gateway.models import json_response
from services.gateway.operations import IMAGES, Query, operation
from services.gateway.parts import parts
from services.gateway.predictions import problems_by_image, slowest, worst
from services.gateway.problems import Problem
from services.gateway.submissions import JobRef, Submission, outcomes_of, submitted
from services.gateway.vision import PREDICTION_PROBLEMS, PREDICTION_QUERY, V3
from services.queue import client as queue

_TASK = Query("task", "`bbox`, `polygon`, `lane` or `classify`, where the form names none; else `bbox`")
_SUBMISSIONS = msgspec.json.Decoder(Submission)
_JOB_ID = re.compile(r"[0-9a-f]{32}").fullmatch

v3 = Blueprint("jobs", __name__, url_prefix=f"{V3}/jobs")


class JobImages(msgspec.Struct):
    """How many images of a job wait, are at a model server, have their answer (*cancelled* ones included)."""

    waiting: int
    running: int
    answered: int
    cancelled: int


class Job(msgspec.Struct, kw_only=True):
    """An asynchronous prediction at this moment.

    As long as it waits, *place* is that of its next image in the queue (1 goes next) and *left_s* an estimate of the
    seconds until its last one is answered. At its end it has an *answer*, as if it had been waited for, or a *problem*.
    It is forgotten at *expires*, which is later by as much as its end is before its deadline.
    """

    id: str
    state: queue.JobState
    request_id: str
    model: ModelRef
    created: datetime
    expires: datetime
    images: JobImages
    place: int | UnsetType = UNSET
    left_s: float | UnsetType = UNSET
    answer: EnvelopeV3 | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET
    problems: dict[str, Problem] | UnsetType = UNSET


@v3.post("")
@operation("Jobs", JobRef, status=202, problems=PREDICTION_PROBLEMS, takes=IMAGES, query=(*PREDICTION_QUERY, _TASK))
def create() -> Response:
    """Predict asynchronously: answered as soon as it is accepted; the result is fetched from ``Location``.

    All images are accepted together or not at all. With an ``Idempotency-Key`` of before, it is the job of before.
    """
    return submitted()


@v3.get("/<id>")
@operation("Jobs", Job, problems=(404, 503))
def show(id: str) -> Response:
    """Show how an asynchronous prediction is doing, and at its end the answer or the problem."""
    return json_response(shown(parts().queue.job(_checked(id), client_id=caller().client_id)))


@v3.delete("/<id>")
@operation("Jobs", Job, problems=(404, 409, 503))
def cancel(id: str) -> Response:
    """Cancel what waits of an asynchronous prediction: it is never run. What runs already is let finish.

    Where nothing is left to cancel, because all of it runs or has its answer, that is said with 409.
    """
    return json_response(shown(parts().queue.cancel(_checked(id), client_id=caller().client_id)))


def _checked(id: str) -> str:
    if not _JOB_ID(id):
        raise NotFound("no such job")
    return id


def shown(job: queue.Job) -> Job:
    """Return what its client is told of *job*."""
    submission = _SUBMISSIONS.decode(job.about)
    told = Job(
        id=job.id,
        state=job.state,
        request_id=submission.request_id,
        model=ModelRef(submission.model.key, submission.model.rel_num, submission.task),
        created=_moment(job.created_s),
        expires=_moment(job.expires_s),
        images=JobImages(job.waiting, job.running, len(job.answers) - job.answers.count(None), job.cancelled),
        place=UNSET if job.place is None else job.place,
        left_s=UNSET if job.left_s is None else round(job.left_s, 3),
    )
    if job.done_s is not None:
        _add_end(told, job.done_s - job.created_s, submission, outcomes_of(job.id, submission, job.answers))
    return told


def _add_end(told: Job, took_s: float, submission: Submission, outcomes: Sequence[Outcome]) -> None:
    problem = worst(outcomes)
    if problem is not None:
        told.problem, told.problems = problem, problems_by_image(outcomes) or UNSET
        return
    answered = submission.read_s + took_s
    told.answer = envelope_v3(
        submission.model,
        result_v3(outcomes),
        Clock(0.0, submission.read_s, answered, answered),
        task=submission.task,
        request_id=submission.request_id,
        slowest=slowest(outcomes),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
