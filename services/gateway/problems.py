"""Every error as one shape, application/problem+json: our own, Flask's, and bugs (bare)."""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
from flask import Flask, Response, g
from gunicorn.http.errors import NoMoreData, ParseException
from werkzeug.exceptions import HTTPException

from chassis import logs
from chassis.errors import ServoirError

log = logs.logger()
PROBLEM_TYPE = "application/problem+json"
_ENCODER = msgspec.json.Encoder()
_RETRY_S = 1.0  # where a part is away and nothing better is known

#: What is said in place of Werkzeug's texts, which are made for pages.
_DETAILS = {
    400: "the request is not well-formed HTTP",
    404: "nothing is served at this address",
    405: "this address does not take that method",
    408: "the body did not arrive in time",
    413: "the body is larger than this deployment takes",
    414: "the address is too long",
    415: "this type of body is not taken here",
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


def problem_response(
    problem: Problem, *, retry_after_s: float | None = None, problems: dict[str, Problem] | None = None
) -> Response:
    """Return the HTTP answer for *problem*."""
    response = Response(problem_json(problem, g.request_id, problems), problem.status, mimetype=PROBLEM_TYPE)
    response.headers.update(retry_after(problem, retry_after_s))
    return response


def retry_after(problem: Problem, retry_after_s: float | None) -> dict[str, str]:
    """Return the header that says when to come back, where that makes sense."""
    if retry_after_s is None and problem.status not in (429, 503):
        return {}
    return {"Retry-After": str(max(1, math.ceil(retry_after_s or _RETRY_S)))}


def _told(error: ServoirError) -> Response:
    return problem_response(problem_of(error), retry_after_s=error.retry_after_s)


def http_problem(status: int) -> Problem:
    """Return what Flask or Gunicorn answer with *status*, in our words."""
    title = HTTPStatus(status).phrase
    return Problem(status, title, _DETAILS.get(status, title.lower()))


def _http(error: HTTPException) -> Response:
    response = problem_response(http_problem(error.code or 500))
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def bug_problem(error: Exception) -> Problem:
    """Log a bug of ours with its traceback, and return the little that is told outside."""
    log.error("request_failed", request_id=g.request_id, exc_info=error)
    return Problem(500, ServoirError.title, "internal error")


def register(app: Flask) -> None:
    """Turn whatever *app* raises into a problem."""
    app.register_error_handler(ServoirError, _told)
    app.register_error_handler(HTTPException, _http)
    for broken in (ParseException, NoMoreData):  # Gunicorn's, of a body that is cut off or malformed in its chunks
        app.register_error_handler(broken, lambda _: problem_response(http_problem(400)))
    app.register_error_handler(Exception, lambda error: problem_response(bug_problem(error)))
