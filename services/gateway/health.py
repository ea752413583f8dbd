"""Whether the gateway lives, whether it can serve, and its figures for Prometheus."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from chassis.errors import ServoirError
from services.gateway.models import json_response
from services.gateway.operations import operation
from services.gateway.parts import parts

blueprint = Blueprint("health", __name__)


class Life(msgspec.Struct):
    """The process answers."""

    status: str = "ok"


class Ready(msgspec.Struct):
    """*status* is ``ok``, ``degraded`` or ``down``; the rest is ``ok`` or says what is wrong with a part."""

    status: str
    redis: str
    registry: str
    models: str


@blueprint.get("/health/live")
@operation("Health", Life)
def live() -> Response:
    """Say that the process answers."""
    return json_response(Life())


@blueprint.get("/health/ready")
@operation("Health", Ready, also=(503,))
def ready() -> Response:
    """Say what the gateway needs and has: ``ok``, ``degraded`` (predictions work, changes do not) or ``down`` (503)."""
    redis, registry, models = _redis(), _registry(), _models()
    down = redis != "ok" or models != "ok"
    status = "down" if down else "ok" if registry == "ok" else "degraded"
    return json_response(Ready(status, redis, registry, models), 503 if down else 200)


def _redis() -> str:
    return "ok" if parts().queue.ready() else "the queue is away"


def _registry() -> str:
    try:
        readiness = parts().registry.readiness()
    except ServoirError:
        return "the registry is away"
    return readiness.detail if readiness.degraded else "ok"


def _models() -> str:
    try:
        parts().models.models()
    except ServoirError as error:
        return error.detail
    return "ok"


@blueprint.get("/metrics")
@operation("Health", "text/plain")
def metrics() -> Response:
    """Show the figures of all of this gateway's processes."""
    registry = REGISTRY
    folder = parts().settings.gateway_metrics_folder
    if folder:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
