"""Which pages of other origins may call (CORS, as the Fetch standard has it): to predict and read, not to change.

A change is sent as JSON, which a browser asks leave for first; no leave is given for its Content-Type. Written out
here because a request without an Origin, which most are, then costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

_PREDICTS = re.compile(r"/api/vision/v[23]/predict.*|/v2/.*").fullmatch
_SUBMITS = "/api/vision/v3/jobs"
_JOBS = re.compile(r"/api/vision/v3/jobs/[0-9a-f]{32}").fullmatch  # not background jobs: their results are read by few
_READS = re.compile(r"/api/vision/v[23](/|/models.*)?|/openapi\.json").fullmatch
_ASKED = (
    "Authorization",
    "Idempotency-Key",
    "Prefer",
    "X-Api-Key",
    "X-Priority",
    "X-Request-Id",
    "X-Request-Timeout-S",
)
_SAID = (
    "X-Request-Id, Location, Retry-After, "
    "RateLimit, RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
)
_REMEMBERED_S = "600"


class Leave(NamedTuple):
    """What pages of other origins may do at one address."""

    methods: tuple[str, ...]
    headers: tuple[str, ...]


_PREDICT = Leave(("GET", "POST"), (*_ASKED, "Content-Type"))
_SUBMIT = Leave(("POST",), _PREDICT.headers)
_JOB = Leave(("GET", "DELETE"), _PREDICT.headers)
_READ = Leave(("GET",), _ASKED)


def leave_for(path: str) -> Leave | None:
    """Return what pages of other origins may do at *path*, None for nothing."""
    if _PREDICTS(path):
        return _PREDICT
    if path == _SUBMITS:
        return _SUBMIT
    if _JOBS(path):
        return _JOB
    return _READ if _READS(path) else None


def cors_headers(origin: str, path: str, *, allowed: Collection[str], preflight: bool) -> dict[str, str]:
    """Return the headers that let a page of *origin* use the answer; none where it may not.

    *allowed* are the origins of the deployment, ``*`` for all; nothing here goes by cookies, so that ``*`` is safe.
    """
    leave = leave_for(path)
    if leave is None or not ("*" in allowed or origin in allowed):
        return {}
    headers = {"Access-Control-Expose-Headers": _SAID, "Access-Control-Allow-Origin": "*"}
    if "*" not in allowed:
        headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    if preflight:
        headers["Access-Control-Allow-Methods"] = ", ".join(leave.methods)
        headers["Access-Control-Allow-Headers"] = ", ".join(leave.headers)
        headers["Access-Control-Max-Age"] = _REMEMBERED_S
    return headers
