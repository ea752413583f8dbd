"""The Vision API: ``/api/vision/v3`` and, for clients in the field, ``/api/vision/v2``."""

from __future__ import annotations

import asyncio
import time

import msgspec
from flask import Blueprint, Response

from services.gateway import envelope
from services.gateway.api_keys import call_of
from services.gateway.asked import TASKS, asked_key, asked_timeout_s, idempotency_key, prefers_async
from services.gateway.exchange import Exchange
from services.gateway.operations import IMAGES, Query, operation
from services.gateway.predictions import predict, problems_by_image, slowest, worst
from services.gateway.problems import problem_reply
from services.gateway.reply import Reply, json_reply
from services.gateway.submissions import PREFER, JobRef, submitted
from services.gateway.uploads import read_form

V3, V2 = "/api/vision/v3", "/api/vision/v2"

PREDICTION_PROBLEMS = (400, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504)
PREDICTION_QUERY = (
    Query("q", "The model, where the form names none"),
    Query("X-Request-Timeout-S", "Seconds until the answer is useless to you", "number", "header"),
    Query("X-Priority", "`batch`, to go behind the interactive requests", place="header"),
    Query("Idempotency-Key", "The same key and images get the same answer, without another run", place="header"),
)


class About(msgspec.Struct, kw_only=True):
    """What an API is, and where its parts are."""

    api: str = "Servoir Vision API"
    version: int
    tasks: tuple[str, ...]
    predict: dict[str, str]
    models: str
    openapi: str = "/openapi.json"
    docs: str = "/docs"


v3 = Blueprint("vision_v3", __name__, url_prefix=V3)
v2 = Blueprint("vision_v2", __name__, url_prefix=V2)


@v3.get("/")
@operation("Vision API 3", About)
def describe_v3() -> Response:
    """Say what this API is and where its description stands."""
    return _about(V3, 3, TASKS)


@v2.get("/")
@operation("Vision API 2", About)
def describe_v2() -> Response:
    """Say the same for version 2."""
    return _about(V2, 2, TASKS[:3])


def _about(base: str, version: int, tasks: tuple[str, ...]) -> Response:
    predict = {task: f"{base}/predict/{task}" for task in tasks}
    return json_reply(About(version=version, tasks=tasks, predict=predict, models=f"{base}/models")).response()


@v3.post("/predict")
@v3.post("/predict/<any(bbox, polygon, lane, classify):task>")
@operation(
    "Vision API 3",
    envelope.EnvelopeV3,
    accepted=JobRef,
    problems=PREDICTION_PROBLEMS,
    takes=IMAGES,
    query=(*PREDICTION_QUERY, PREFER),
)
async def predict_v3(exchange: Exchange, task: str = "bbox") -> Reply:
    """Find what *task* asks for in one or more images.

    Several images are admitted together or not at all, and answered together: a bad one has a ``problem`` beside the
    others' regions. Where none can be answered, the status says why; of several different ones the highest.
    With ``Prefer: respond-async`` the request is accepted as a job, and its result is fetched from ``Location``.
    """
    if prefers_async(exchange.environ):
        return await asyncio.to_thread(submitted, exchange, task)
    return await _predict(exchange, task, 3)


@v2.post("/predict")
@v2.post("/predictq")
@v2.post("/predict/<any(bbox, polygon, lane):task>")
@v2.post("/predictq/<any(bbox, polygon, lane):task>")
@operation("Vision API 2", envelope.EnvelopeV2, problems=PREDICTION_PROBLEMS, takes=IMAGES, query=PREDICTION_QUERY)
async def predict_v2(exchange: Exchange, task: str = "bbox") -> Reply:
    """Find what *task* asks for, answered with exactly the members that version 2's clients know."""
    return await _predict(exchange, task, 2)


async def _predict(exchange: Exchange, task: str, version: int) -> Reply:
    environ, gateway = exchange.environ, exchange.gateway
    timeout_s = asked_timeout_s(environ, gateway.settings.max_predict_timeout_s)
    repeat = idempotency_key(environ)
    form = read_form(environ, exchange.body, gateway.settings)
    model = gateway.models.find(asked_key(form, environ), task)
    exchange.model_key = model.key
    read_at = time.monotonic()
    timeout_s = timeout_s or model.deadline_s or gateway.settings.predict_timeout_s
    call = call_of(exchange, model, task, exchange.left_s(timeout_s), idempotency_key=repeat)
    outcomes = exchange.outcomes = await predict(gateway.queue.asynchronous, form.images, call)
    predicted_at = time.monotonic()
    problem = worst(outcomes)
    if problem is not None:
        return problem_reply(problem, exchange.request_id, problems=problems_by_image(outcomes))
    result = envelope.result_v3(outcomes) if version == 3 else envelope.result_v2(outcomes)
    clock = envelope.Clock(exchange.started, read_at, predicted_at, time.monotonic())
    if version == 2:
        return json_reply(envelope.envelope_v2(model, result, clock))
    longest = slowest(outcomes)
    told = envelope.envelope_v3(model, result, clock, task=task, request_id=exchange.request_id, slowest=longest)
    return json_reply(told)
