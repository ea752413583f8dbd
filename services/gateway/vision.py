"""The Vision API: ``/api/vision/v3`` and, for clients in the field, ``/api/vision/v2``."""

from __future__ import annotations

import re
import time

import msgspec
from flask import Blueprint, Request, Response, g, request

from chassis.errors import BadRequest
from services.gateway import envelope, instruments
from services.gateway.api_keys import asker_for
from services.gateway.operations import IMAGES, Query, operation
from services.gateway.parts import parts
from services.gateway.predictions import Call, predict, slowest, worst
from services.gateway.problems import problem_response
from services.gateway.uploads import Form, read_form

V3, V2 = "/api/vision/v3", "/api/vision/v2"
TASKS = ("bbox", "polygon", "lane", "classify")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}").fullmatch

_PROBLEMS = (400, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504)
_QUERY = (
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
    return _json(msgspec.json.encode(About(version=version, tasks=tasks, predict=predict, models=f"{base}/models")))


@v3.post("/predict")
@v3.post("/predict/<any(bbox, polygon, lane, classify):task>")
@operation("Vision API 3", envelope.EnvelopeV3, problems=_PROBLEMS, takes=IMAGES, query=_QUERY)
def predict_v3(task: str = "bbox") -> Response:
    """Find what *task* asks for in one or more images.

    Several images are admitted together or not at all, and answered together: a bad one has a ``problem`` beside the
    others' regions. Where none can be answered, the status says why; of several different ones the highest.
    """
    return _predict(task, 3)


@v2.post("/predict")
@v2.post("/predictq")
@v2.post("/predict/<any(bbox, polygon, lane):task>")
@v2.post("/predictq/<any(bbox, polygon, lane):task>")
@operation("Vision API 2", envelope.EnvelopeV2, problems=_PROBLEMS, takes=IMAGES, query=_QUERY)
def predict_v2(task: str = "bbox") -> Response:
    """Find what *task* asks for, answered with exactly the members that version 2's clients know."""
    return _predict(task, 2)


def _predict(task: str, version: int) -> Response:
    gateway, about, asked = parts(), g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
    timeout_s = asked_timeout_s(asked, gateway.settings.max_predict_timeout_s)
    idempotency_key = _idempotency_key(asked)
    form = read_form(asked, gateway.clock, gateway.settings)
    model = gateway.models.find(_key(form, asked), task)
    about.model_key = model.key
    read_at = time.monotonic()
    timeout_s = timeout_s or model.deadline_s or gateway.settings.predict_timeout_s
    left_s = timeout_s - (read_at - about.started)
    call = Call(model, task, about.request_id, left_s, asker_for(model), idempotency_key)
    outcomes = predict(gateway.queue, form.images, call)
    predicted_at = time.monotonic()
    instruments.count_images(model.key, outcomes)
    problem = worst(outcomes)
    if problem is not None:
        several = {o.key: o.problem for o in outcomes if o.problem} if len(outcomes) > 1 else None
        return problem_response(problem, problems=several)
    result = envelope.result_v3(outcomes) if version == 3 else envelope.result_v2(outcomes)
    clock = envelope.Clock(about.started, read_at, predicted_at, time.monotonic())
    if version == 2:
        return _json(envelope.envelope_v2(model, result, clock))
    return _json(
        envelope.envelope_v3(model, result, clock, task=task, request_id=about.request_id, slowest=slowest(outcomes))
    )


def _json(body: bytes) -> Response:
    return Response(body, mimetype="application/json")


def _key(form: Form, request: Request) -> str | None:
    """Return ``q`` from the form or the query; an empty one is as good as none."""
    return form.fields.get("q") or request.args.get("q") or None


def asked_timeout_s(request: Request, longest_s: float) -> float | None:
    """Return the deadline that *request* asks for, None where it asks for none; BadRequest above *longest_s*."""
    text = request.environ.get("HTTP_X_REQUEST_TIMEOUT_S")
    if text is None:
        return None
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = -1.0
    if not 0 < timeout_s <= longest_s:
        raise BadRequest(f"X-Request-Timeout-S: a number of seconds above 0, at most {longest_s:g}")
    return timeout_s


def _idempotency_key(request: Request) -> str:
    key: str = request.environ.get("HTTP_IDEMPOTENCY_KEY", "")
    if key and not _IDEMPOTENCY_KEY(key):
        raise BadRequest("Idempotency-Key: 1 to 128 visible ASCII characters")
    return key
