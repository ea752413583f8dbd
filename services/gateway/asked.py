"""What a prediction request says beside its images: the model, its deadline, whether it waits, what it repeats."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from chassis.errors import BadRequest
from services.gateway.uploads import Form

TASKS = ("bbox", "polygon", "lane", "classify")
Environ = Mapping[str, Any]
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}").fullmatch


def asked_key(form: Form, environ: Environ) -> str | None:
    """Return ``q`` from the form or the query; an empty one is as good as none."""
    return form.fields.get("q") or _query(environ["QUERY_STRING"]).get("q") or None


def asked_task(form: Form, environ: Environ) -> str:
    """Return ``task`` from the form or the query, ``bbox`` where there is none; BadRequest for an unknown one."""
    task = form.fields.get("task") or _query(environ["QUERY_STRING"]).get("task") or TASKS[0]
    if task not in TASKS:
        raise BadRequest(f"task: one of {', '.join(TASKS)}")
    return task


def asked_timeout_s(environ: Environ, longest_s: float) -> float | None:
    """Return the deadline that a request asks for, None where it asks for none; BadRequest above *longest_s*."""
    text = environ.get("HTTP_X_REQUEST_TIMEOUT_S")
    if text is None:
        return None
    try:
        timeout_s = math.nan if "_" in text else float(text)  # Python takes 1_0 for 10
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s <= longest_s:
        raise BadRequest(f"X-Request-Timeout-S: a number of seconds above 0, at most {longest_s:g}")
    return timeout_s


def idempotency_key(environ: Environ) -> str:
    """Return the ``Idempotency-Key``, empty for none; raises BadRequest for a malformed one."""
    key: str = environ.get("HTTP_IDEMPOTENCY_KEY", "")
    if key and not _IDEMPOTENCY_KEY(key):
        raise BadRequest("Idempotency-Key: 1 to 128 visible ASCII characters")
    return key


def prefers_async(environ: Environ) -> bool:
    """Say whether the request prefers an asynchronous answer (``Prefer: respond-async``, RFC 7240)."""
    preferences = environ.get("HTTP_PREFER", "").split(",")
    return any(one.partition(";")[0].strip().lower() == "respond-async" for one in preferences)


@lru_cache(maxsize=1024)
def _query(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, errors="replace").items()}
