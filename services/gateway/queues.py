"""What operators see and do of the queues and their quarantines: ``/api/vision/v3/queue``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from flask import Blueprint, Response, g

from services.gateway.admin import require_change
from services.gateway.api_keys import require_admin
from services.gateway.models import json_response
from services.gateway.operations import ADMIN, Nothing, operation
from services.gateway.parts import parts
from services.gateway.predictions import answered_problem
from services.gateway.problems import Problem
from services.gateway.vision import V3
from services.queue.client import QuarantinedItem, QueueView

_PROBLEMS = (404, 429, 503)


class Overview(msgspec.Struct):
    """The state of every model's queue."""

    queues: list[QueueView]


class GivenUp(msgspec.Struct):
    """An item that ended three model servers, or that none could answer; *bytes* is the size of its payload."""

    id: str
    model: str
    since: datetime
    request_id: str
    task: str
    client: str
    bytes: int
    failures: list[dict[str, Any]]


class Quarantine(msgspec.Struct):
    """Items that were given up, newest first."""

    items: list[GivenUp]


class Replayed(msgspec.Struct, omit_defaults=True):
    """What came of running an item once more; *problem* says why it was not answered again."""

    id: str
    answered: bool
    problem: Problem | None = None


class Dropped(msgspec.Struct):
    """How many items were removed."""

    dropped: int


v3 = Blueprint("queues", __name__, url_prefix=f"{V3}/queue")
v3.before_request(require_admin)


@v3.get("")
@operation("Operators", Overview, problems=(429, 503), query=(ADMIN,))
def overview() -> Response:
    """Show the state of every model's queue."""
    return json_response(Overview(parts().operator.overview()))


@v3.get("/<model>/quarantine")
@operation("Operators", Quarantine, problems=(429, 503), query=(ADMIN,))
def quarantine(model: str) -> Response:
    """List the items of a model that were given up, newest first, without their bytes."""
    return json_response(Quarantine([shown(item) for item in parts().operator.quarantine(model)]))


@v3.get("/<model>/quarantine/<id>")
@operation("Operators", GivenUp, problems=_PROBLEMS, query=(ADMIN,))
def quarantined(model: str, id: str) -> Response:
    """Show one item that was given up, with each of its failures."""
    return json_response(shown(parts().operator.quarantined(model, id)))


@v3.get("/<model>/quarantine/<id>/payload")
@operation("Operators", "application/octet-stream", problems=_PROBLEMS, query=(ADMIN,))
def payload(model: str, id: str) -> Response:
    """Send the bytes of an item that was given up, as a file: nobody's browser is to open them."""
    item = parts().operator.quarantined(model, id)
    name = {"Content-Disposition": f'attachment; filename="{item.id}.bin"', "X-Content-Type-Options": "nosniff"}
    return Response(item.kept(), mimetype="application/octet-stream", headers=name)


@v3.post("/<model>/quarantine/<id>/replay")
@operation("Operators", Replayed, problems=(*_PROBLEMS, 504), takes=Nothing, query=(ADMIN,))
def replay(model: str, id: str) -> Response:
    """Run an item that was given up once more; one that is answered now leaves the quarantine."""
    require_change()
    gateway = parts()
    item = gateway.operator.quarantined(model, id)
    answer = gateway.operator.replay(
        gateway.queue, item, request_id=g.exchange.request_id, timeout_s=gateway.settings.predict_timeout_s
    )
    if answer.status != 200:
        return json_response(Replayed(id, False, answered_problem(answer)))
    return json_response(Replayed(id, True))


@v3.delete("/<model>/quarantine/<id>")
@operation("Operators", Dropped, problems=_PROBLEMS, takes=Nothing, query=(ADMIN,))
def drop(model: str, id: str) -> Response:
    """Remove one item that was given up."""
    require_change()
    operator = parts().operator
    return json_response(Dropped(operator.drop(model, [operator.quarantined(model, id).id])))


@v3.delete("/<model>/quarantine")
@operation("Operators", Dropped, problems=_PROBLEMS, takes=Nothing, query=(ADMIN,))
def drop_all(model: str) -> Response:
    """Empty a model's quarantine."""
    require_change()
    return json_response(Dropped(parts().operator.drop(model)))


def shown(item: QuarantinedItem) -> GivenUp:
    """Return what is told of an item that was given up."""
    return GivenUp(
        id=item.id,
        model=item.model,
        since=item.since,
        request_id=item.meta.request_id,
        task=item.meta.task,
        client=item.meta.client,
        bytes=item.meta.size,
        failures=msgspec.to_builtins(item.failures),
    )
