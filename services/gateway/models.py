"""What models there are: ``<base>/models`` and below, for both versions of the Vision API."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from chassis.errors import NotFound
from services.gateway.operations import operation
from services.gateway.parts import parts
from services.gateway.vision import V2, V3
from services.registry.client import Modelinfo, parse_key

_ENCODER = msgspec.json.Encoder()


class ModelList(msgspec.Struct, omit_defaults=True):
    """Models in the order of their keys, oldest release first; *defaults* are the keys that answer without a ``q``."""

    models: list[Modelinfo]
    defaults: dict[str, str] = {}


v3 = Blueprint("models_v3", __name__, url_prefix=V3)
v2 = Blueprint("models_v2", __name__, url_prefix=V2)


def json_response(value: object, status: int = 200) -> Response:
    """Return *value* (Structs too) as a JSON answer."""
    return Response(_ENCODER.encode(value), status, mimetype="application/json")


@v3.get("/models")
@v2.get("/models")
@operation("Models", ModelList, problems=(503,))
def every_model() -> Response:
    """List all models, and which one answers each task where a request names none."""
    models = parts().models
    return json_response(ModelList(models.models(), models.defaults()))


@v3.get("/models/<org_or_key>")
@v2.get("/models/<org_or_key>")
@operation("Models", (ModelList, Modelinfo), problems=(400, 404, 503))
def models_of(org_or_key: str) -> Response:
    """List an organisation's models; with ``-`` in the name, those of a problem, or the one model of a whole key."""
    if "-" not in org_or_key:
        return _list(org_or_key)
    key = parse_key(org_or_key)
    return _one(*key) if key.rel_num else _list(key.org_name, key.problem_id)


@v3.get("/models/<org>/<problem>")
@v2.get("/models/<org>/<problem>")
@operation("Models", ModelList, problems=(404, 503))
def models_of_problem(org: str, problem: str) -> Response:
    """List the models of a problem, oldest release first."""
    return _list(org, problem)


@v3.get("/models/<org>/<problem>/<rel>")
@v2.get("/models/<org>/<problem>/<rel>")
@operation("Models", Modelinfo, problems=(404, 503))
def one_model(org: str, problem: str, rel: str) -> Response:
    """Show one model."""
    return _one(org, problem, rel)


def _matching(org: str, problem: str = "", rel: str = "") -> list[Modelinfo]:
    found = [
        model
        for model in parts().models.models()
        if model.org_name == org and problem in ("", model.problem_id) and rel in ("", model.rel_num)
    ]
    if not found:
        raise NotFound(f"no such model: {'-'.join(part for part in (org, problem, rel) if part)[:200]}")
    return found


def _list(org: str, problem: str = "") -> Response:
    return json_response(ModelList(_matching(org, problem)))


def _one(org: str, problem: str, rel: str) -> Response:
    return json_response(_matching(org, problem, rel)[0])
