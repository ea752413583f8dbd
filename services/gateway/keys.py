"""API keys, for operators: ``/api/vision/v3/keys``. A token is told once, in the answer that it was made for."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, request

from chassis.errors import BadRequest, NotFound
from chassis.json_text import UNREADABLE
from services.gateway.admin import require_change
from services.gateway.api_keys import require_admin
from services.gateway.models import json_response
from services.gateway.operations import ADMIN, REGISTRY, Nothing, Query, operation
from services.gateway.parts import parts
from services.gateway.vision import V3
from services.registry.client import ApiKey, Terms, parse_terms

v3 = Blueprint("keys", __name__, url_prefix=f"{V3}/keys")
_DAY_S = 86400.0
_CHANGES = (404, 409, *REGISTRY)


class Keys(msgspec.Struct):
    """API keys, oldest first, revoked ones too."""

    keys: list[ApiKey]


class Issued(msgspec.Struct):
    """A key, and its token: what a client sends, which nobody can be told again."""

    key: ApiKey
    token: str


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How many seconds the token that a key had is still taken."""

    grace_s: float = _DAY_S


@v3.post("")
@operation("Operators", Issued, status=201, problems=REGISTRY, takes=Terms, query=(ADMIN,))
def create() -> Response:
    """Make an API key. Its token is in this answer, and nowhere else."""
    actor = require_change()
    return _told(parts().registry.create_api_key(parse_terms(request.get_data()), actor=actor), 201)


@v3.get("")
@operation("Operators", Keys, problems=REGISTRY, query=(ADMIN, Query("client", "Keys of this client only")))
def every_key() -> Response:
    """List the API keys."""
    require_admin()
    return json_response(Keys(parts().registry.api_keys(request.args.get("client", ""))))


@v3.get("/<id>")
@operation("Operators", ApiKey, problems=(404, *REGISTRY), query=(ADMIN,))
def one_key(id: str) -> Response:
    """Show one API key."""
    require_admin()
    found = [key for key in parts().registry.api_keys() if key.id == id]
    if not found:
        raise NotFound("no such API key")
    return json_response(found[0])


@v3.delete("/<id>")
@operation("Operators", ApiKey, problems=_CHANGES, takes=Nothing, query=(ADMIN,))
def revoke(id: str) -> Response:
    """End an API key for good; within a moment no gateway takes it any more."""
    actor = require_change()
    return json_response(parts().registry.revoke_api_key(id, actor=actor))


@v3.post("/<id>/rotate")
@operation("Operators", Issued, problems=_CHANGES, takes=Rotation, query=(ADMIN,))
def rotate(id: str) -> Response:
    """Give an API key a new token; the one that it had is taken for ``grace_s`` seconds yet (a day)."""
    actor = require_change()
    try:
        asked = msgspec.json.decode(request.get_data() or b"{}", type=Rotation)
    except UNREADABLE as error:
        raise BadRequest('send {"grace_s": 3600}: for how long the old token is still taken') from error
    return _told(parts().registry.rotate_api_key(id, grace_s=asked.grace_s, actor=actor))


def _told(issued: tuple[ApiKey, str], status: int = 200) -> Response:
    response = json_response(Issued(*issued), status)
    response.headers["Cache-Control"] = "no-store"
    return response
