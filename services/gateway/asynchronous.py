"""An asynchronous prediction as its client is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, UnsetType

from services.gateway.envelope import Clock, EnvelopeV3, ModelRef, Outcome, envelope_v3, result_v3
from services.gateway.predictions import problems_by_image, slowest, worst
from services.gateway.problems import Problem
from services.gateway.submissions import Submission, outcomes_of
from services.queue import client as queue

_SUBMISSIONS = msgspec.json.Decoder(Submission)


class JobImages(msgspec.Struct):
    """How many images of a job wait, are at a model server, have their answer (*cancelled* ones included)."""

    waiting: int
    running: int
    answered: int
    cancelled: int


class AsynchronousPrediction(msgspec.Struct, kw_only=True):
    """An asynchronous prediction at this moment.

    As long as it waits, *place* is that of its next image in the queue (1 goes next) and *left_s* an estimate of the
    seconds until its last one is answered. At its end it has an *answer*, as if it had been waited for, or a *problem*.
    It is forgotten at *expires*, which is later by as much as its end is before its deadline.
    """

    id: str
    state: queue.AsyncState
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


def shown(job: queue.AsyncJob) -> AsynchronousPrediction:
    """Return what its client is told of *job*."""
    submission = _SUBMISSIONS.decode(job.about)
    told = AsynchronousPrediction(
        id=job.id,
        state=job.state,
        request_id=submission.request_id,
        model=ModelRef(submission.model.key, submission.model.rel_num, submission.task),
        created=moment(job.created_s),
        expires=moment(job.expires_s),
        images=JobImages(job.waiting, job.running, len(job.answers) - job.answers.count(None), job.cancelled),
        place=UNSET if job.place is None else job.place,
        left_s=UNSET if job.left_s is None else round(job.left_s, 3),
    )
    if job.done_s is not None:
        _add_end(told, job.done_s - job.created_s, submission, outcomes_of(job.id, submission, job.answers))
    return told


def _add_end(told: AsynchronousPrediction, took_s: float, submission: Submission, outcomes: Sequence[Outcome]) -> None:
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


def moment(seconds: float) -> datetime:
    """Return a moment as JSON has it."""
    return datetime.fromtimestamp(seconds, tz=UTC)
