"""Asynchronous prediction requests: taken into the queue as a job, and made into the same outcomes later."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from services.gateway.api_keys import call_of
from services.gateway.asked import asked_key, asked_task, asked_timeout_s, idempotency_key
from services.gateway.envelope import Outcome
from services.gateway.exchange import Exchange
from services.gateway.operations import Query
from services.gateway.predictions import answered_outcome, outcome_of, problems_by_image, worst
from services.gateway.problems import Problem, problem_of, problem_reply
from services.gateway.reply import Reply, json_reply
from services.gateway.uploads import Upload, read_form
from services.queue.client import Answer, PredictCall
from services.registry.client import Modelinfo

JOBS = "/api/vision/v3/jobs"
PREFER = Query("Prefer", "`respond-async`, to be answered 202 at once, with the address of the result", place="header")


class JobRef(msgspec.Struct):
    """An asynchronous prediction that was accepted; *location* is where it is looked at."""

    id: str
    location: str


class Image(msgspec.Struct, omit_defaults=True):
    """What is kept of one image of a job; with a *problem* of its own it is not in the queue."""

    key: str
    filename: str
    size_bytes: int
    problem: Problem | None = None


class Submission(msgspec.Struct, kw_only=True):
    """What is kept of an asynchronous request, beside its answers; *read_s* is how long its body took to arrive."""

    request_id: str
    model: Modelinfo
    task: str
    read_s: float
    images: list[Image]


def submitted(exchange: Exchange, task: str | None = None) -> Reply:
    """Take a request into the queue and answer 202 as soon as it is accepted; without a *task* it names one.

    Its deadline is what it asks for, else that of the deployment for jobs. Where no image can be read there is no job.
    """
    environ, gateway = exchange.environ, exchange.gateway
    settings = gateway.settings
    timeout_s = asked_timeout_s(environ, settings.max_job_timeout_s) or settings.job_timeout_s
    repeat = idempotency_key(environ)
    form = read_form(environ, exchange.body, settings)
    task = task or asked_task(form, environ)
    model = gateway.models.find(asked_key(form, environ), task)
    exchange.model_key = model.key
    read_s = time.monotonic() - exchange.started
    usable = [image for image in form.images if image.error is None]
    if not usable:
        return _refused(form.images, exchange.request_id)
    call = call_of(exchange, model, task, timeout_s - read_s, idempotency_key=repeat)
    about = msgspec.json.encode(_submission(model, call, form.images, read_s))
    payloads = [image.content for image in usable]
    return _accepted(gateway.queue.submit(payloads, call, about=about, keep_s=settings.job_keep_s))


def _refused(images: Sequence[Upload], request_id: str) -> Reply:
    outcomes = [outcome_of(image, None) for image in images]
    problem = worst(outcomes)
    assert problem is not None
    return problem_reply(problem, request_id, problems=problems_by_image(outcomes))


def _accepted(job: str) -> Reply:
    location = f"{JOBS}/{job}"
    headers = {"Location": location, "Preference-Applied": "respond-async"}
    return json_reply(JobRef(job, location), 202)._replace(headers=headers)


def _submission(model: Modelinfo, call: PredictCall, images: Sequence[Upload], read_s: float) -> Submission:
    kept = replace(model, classes=(), config={}, files=(), metrics={}, description="")
    return Submission(
        request_id=call.request_id,
        model=kept,
        task=call.task,
        read_s=round(read_s, 6),
        images=[
            Image(image.key, image.filename, len(image.content), problem_of(image.error) if image.error else None)
            for image in images
        ],
    )


def outcomes_of(job: str, submission: Submission, answers: Sequence[Answer | None]) -> list[Outcome]:
    """Return what came of each image of a job that is over; the same at each call."""
    left = iter(answers)
    return [_outcome(job, image, None if image.problem else next(left)) for image in submission.images]


def _outcome(job: str, image: Image, answer: Answer | None) -> Outcome:
    known = Outcome(image.key, image.filename, image.size_bytes, problem=image.problem, uuid=_uuid(job, image.key))
    return answered_outcome(known, answer) if answer else known


def _uuid(job: str, key: str) -> str:
    """Return the id of a prediction: looked at again, it is the same."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{job}/{key}".encode()).digest()[:16], version=4))
