"""What operators see and do of the queues and their quarantines: ``/api/vision/v3/queue``."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from flask import Blueprint, Response, g

from chassis.errors import NotFound
from services.gateway.admin import require_admin, require_change
from services.gateway.models import json_response
from services.gateway.parts import parts
from services.gateway.predictions import answered_problem
from services.gateway.vision import V3
from services.queue.client import QuarantinedItem

v3 = Blueprint("queues", __name__, url_prefix=f"{V3}/queue")
v3.before_request(require_admin)
_ITEM_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}").fullmatch


@v3.get("")
def overview() -> Response:
    """Show the state of every model's queue."""
    return json_response({"queues": parts().operator.overview()})


@v3.get("/<model>/quarantine")
def quarantine(model: str) -> Response:
    """List the items of a model that were given up, newest first, without their bytes."""
    return json_response({"items": [shown(item) for item in parts().operator.quarantine(model)]})


@v3.get("/<model>/quarantine/<id>")
def quarantined(model: str, id: str) -> Response:
    """Show one item that was given up, with each of its failures."""
    return json_response(shown(_item(model, id)))


@v3.get("/<model>/quarantine/<id>/payload")
def payload(model: str, id: str) -> Response:
    """Send the bytes of an item that was given up, as a file: nobody's browser is to open them."""
    item = _item(model, id)
    name = {"Content-Disposition": f'attachment; filename="{item.id}.bin"', "X-Content-Type-Options": "nosniff"}
    return Response(item.payload, mimetype="application/octet-stream", headers=name)


@v3.post("/<model>/quarantine/<id>/replay")
def replay(model: str, id: str) -> Response:
    """Run an item that was given up once more; one that is answered now leaves the quarantine."""
    require_change()
    gateway = parts()
    item = _item(model, id)
    [answer] = gateway.queue.predict(
        [item.payload],
        model_key=item.model,
        task=item.meta.task,
        request_id=g.request_id,
        timeout_s=gateway.settings.predict_timeout_s,
        client_id=item.meta.client,
    )
    if answer.status != 200:
        return json_response({"id": id, "answered": False, "problem": answered_problem(answer)})
    gateway.operator.drop(model, [id])
    return json_response({"id": id, "answered": True})


@v3.delete("/<model>/quarantine/<id>")
def drop(model: str, id: str) -> Response:
    """Remove one item that was given up."""
    require_change()
    gateway = parts()
    dropped = gateway.operator.drop(model, [_item(model, id).id])
    return json_response({"dropped": dropped})


@v3.delete("/<model>/quarantine")
def drop_all(model: str) -> Response:
    """Empty a model's quarantine."""
    require_change()
    return json_response({"dropped": parts().operator.drop(model)})


def _item(model: str, id: str) -> QuarantinedItem:
    if not _ITEM_ID(id):
        raise NotFound("no such item in the quarantine")
    return parts().operator.quarantined(model, id)


def shown(item: QuarantinedItem) -> dict[str, Any]:
    """Return what is told of an item that was given up."""
    return {
        "id": item.id,
        "model": item.model,
        "since": item.since,
        "request_id": item.meta.request_id,
        "task": item.meta.task,
        "client": item.meta.client,
        "bytes": len(item.payload),
        "failures": msgspec.to_builtins(item.failures),
    }
