"""Requests that change something: publish, release and retire models, and name the defaults."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from chassis.errors import BadRequest, UnsupportedMedia
from chassis.json_text import UNREADABLE
from services.gateway.api_keys import caller, require_admin
from services.gateway.models import json_response
from services.gateway.operations import ADMIN, REGISTRY, operation
from services.gateway.parts import parts
from services.gateway.vision import V3
from services.registry.client import TASKS, Modelinfo, parse_modelinfo

v3 = Blueprint("admin", __name__, url_prefix=V3)
_STATUS = {"release": "released", "retire": "retired"}


class Demands(msgspec.Struct, forbid_unknown_fields=True):
    """What a release must be accepted on: figures of its newest report, ``mAP>=0.20``, on the labelled set *on*."""

    require: tuple[str, ...] = ()
    on: str = ""


class Default(msgspec.Struct, forbid_unknown_fields=True):
    """The model that answers a task where a request names none; an empty key for none."""

    key: str


class DefaultSet(msgspec.Struct):
    """What was set."""

    task: str
    key: str


def require_change() -> str:
    """Return who is asking, for the registry's history; raises where this caller may not change anything.

    A change is sent as JSON, so that a page of another origin cannot send it unasked.
    """
    require_admin()
    if request.mimetype != "application/json":
        raise UnsupportedMedia("send a change as Content-Type: application/json")
    told = request.headers.get("X-Actor", "")[:100]
    return told or "admin" if not caller().id else f"{caller().client_id} {told}".strip()


@v3.post("/models")
@operation("Changes", Modelinfo, status=201, problems=(409, *REGISTRY), takes=Modelinfo, query=(ADMIN,))
def publish() -> Response:
    """Publish a model: its modelinfo as JSON. The same document again is a no-op."""
    actor = require_change()
    model = parts().registry.publish(parse_modelinfo(request.get_data()), actor=actor)
    return json_response(model, 201)


@v3.post("/models/<key>/<any(release, retire):move>")
@operation("Changes", Modelinfo, problems=(404, 409, *REGISTRY), takes=Demands, query=(ADMIN,))
def set_status(key: str, move: str) -> Response:
    """Release a model, so that its problem's short key finds it, or retire it, so that nothing does.

    A release may demand figures of the model's report: it is refused with 409 where they are not there.
    """
    actor = require_change()
    try:
        told = msgspec.json.decode(request.get_data() or b"{}", type=Demands)
    except UNREADABLE as error:
        raise BadRequest('send {}, or {"require": ["mAP>=0.20"], "on": "<labelled set>"}') from error
    demands: dict[str, Any] = {"require": told.require, "on_set": told.on} if told.require or told.on else {}
    return json_response(parts().registry.set_status(key, _STATUS[move], actor=actor, **demands))


@v3.put("/defaults/<task>")
@operation("Changes", DefaultSet, problems=(404, 409, *REGISTRY), takes=Default, query=(ADMIN,))
def set_default(task: str) -> Response:
    """Name the model that answers *task* where a request names none: ``{"key": "<org>-<problem>[-<rel>]"}``."""
    actor = require_change()
    if task not in TASKS:
        raise BadRequest(f"no such task: say one of {', '.join(TASKS)}")
    try:
        wanted = msgspec.json.decode(request.get_data(), type=Default)
    except UNREADABLE as error:
        raise BadRequest('send {"key": "<org>-<problem>-<rel>"}; an empty key clears the default') from error
    parts().registry.set_default(task, wanted.key, actor=actor)
    return json_response(DefaultSet(task, wanted.key))
