"""Every error as one shape, application/problem+json: our own, Flask's, and bugs (bare)."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, g
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestedRangeNotSatisfiable

from chassis import logs
from chassis.errors import ServoirError
from services.gateway.reply import JSON, Reply

log = logs.logger()
PROBLEM_TYPE = "application/problem+json"
_ENCODER = msgspec.json.Encoder()
RETRY_S = 1  # where a part is away and nothing better is known

#: What is said in place of Werkzeug's texts, which are made for pages.
_DETAILS = {
    400: "the request is not well-formed HTTP",
    404: "nothing is served at this address",
    405: "this address does not take that method",
    408: "the body did not arrive in time",
    412: "it is not, or no longer, what the request expects",
    413: "the body is larger than this deployment takes",
    414: "the address is too long",
    415: "this type of body is not taken here",
    416: "it has not as many bytes",
    417: "this expectation cannot be met",
    431: "the headers are too large or too many",
    500: "internal error",
}


class Problem(msgspec.Struct, frozen=True):
    """What went wrong with a request or with one image of it; *detail* names no path and no stack."""

    status: int
    title: str
    detail: str


class ProblemBody(msgspec.Struct):
    """An error, as RFC 9457 has it. *error* repeats *detail*, where version 2's clients look for it."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    request_id: str
    problems: dict[str, Problem] | msgspec.UnsetType = msgspec.UNSET


def problem_of(error: ServoirError) -> Problem:
    """Return *error* as it is told outside."""
    return Problem(error.status, error.title, error.detail)


def problem_json(problem: Problem, request_id: str, problems: dict[str, Problem] | None = None) -> bytes:
    """Return the body that tells *problem*; *problems* has one entry for each image where there were several."""
    body = ProblemBody(
        type="about:blank",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        error=problem.detail,
        request_id=request_id,
        problems=problems or msgspec.UNSET,
    )
    return _ENCODER.encode(body)


def problem_reply(
    problem: Problem,
    request_id: str,
    *,
    retry_after_s: float | None = None,
    problems: dict[str, Problem] | None = None,
) -> Reply:
    """Return the answer that tells *problem*."""
    body = problem_json(problem, request_id, problems)
    return Reply(body, problem.status, PROBLEM_TYPE, retry_after(problem, retry_after_s))


def retry_after(problem: Problem, retry_after_s: float | None) -> dict[str, str]:
    """Return the header that says when to come back, where that makes sense."""
    if retry_after_s is None and problem.status not in (429, 503):
        return {}
    return {"Retry-After": str(max(1, math.ceil(retry_after_s or RETRY_S)))}


def error_reply(error: Exception, request_id: str, *, as_type: Callable[[str], Any] | None = None) -> Reply:
    """Return the answer to a request that raised; as the JSON of *as_type*, made of the detail, where one is given."""
    problem = _problem(error, request_id)
    reply = problem_reply(problem, request_id, retry_after_s=getattr(error, "retry_after_s", None))
    reply = reply._replace(headers={**reply.headers, **_told(error)})
    return reply._replace(body=_ENCODER.encode(as_type(problem.detail)), content_type=JSON) if as_type else reply


def _told(error: Exception) -> dict[str, str]:
    """Return the headers in which some of Werkzeug's errors say what would have done."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return {"Allow": ", ".join(sorted(error.valid_methods))}
    if isinstance(error, RequestedRangeNotSatisfiable) and error.length is not None:
        return {"Content-Range": f"{error.units} */{error.length}"}
    return {}


def _problem(error: Exception, request_id: str) -> Problem:
    if isinstance(error, ServoirError):
        return problem_of(error)
    if isinstance(error, HTTPException):
        return http_problem(error.code or 500)
    log.error("request_failed", request_id=request_id, exc_info=error)
    return Problem(500, ServoirError.title, "internal error")


def http_problem(status: int) -> Problem:
    """Return what Flask or Gunicorn answer with *status*, in our words."""
    title = HTTPStatus(status).phrase
    return Problem(status, title, _DETAILS.get(status, title.lower()))


def register(app: Flask | Blueprint, *, as_type: Callable[[str], Any] | None = None) -> None:
    """Have whatever *app* raises told, as ``error_reply`` does."""

    def told(error: Exception) -> Response:
        return error_reply(error, g.exchange.request_id, as_type=as_type).response()

    for kind in (ServoirError, HTTPException, Exception):
        app.register_error_handler(kind, told)
