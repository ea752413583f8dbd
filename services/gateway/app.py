"""The application: every resource's blueprint, and what happens around each request."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from flask_cors import CORS

from chassis import logs
from services.gateway import admin, health, instruments, models, problems, usage, vision
from services.gateway.parts import EXTENSION, Parts
from services.gateway.request_ids import request_id_of
from services.gateway.settings import Settings
from services.gateway.uploads import UploadClock
from services.queue.client import QueueClient
from services.registry.client import ModelCatalogue, RegistryClient

log = logs.logger()
_QUIET = frozenset({"health.live", "health.ready", "health.metrics", "page.file"})
_JSON_BODY_BYTES = 2**20
_FROM_PAGES = [r"/api/vision/v[23]/predict.*", r"/v2/.*"]
_READ_BY_PAGES = [r"/api/vision/v[23]/(models.*)?", r"/openapi.json"]
_SAID_TO_PAGES = ["X-Request-Id", "Retry-After"]


def create_app(settings: Settings, queue: QueueClient, catalogue: ModelCatalogue, registry: RegistryClient) -> Flask:
    """Return the WSGI application over clients that are started already; one for each process."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _JSON_BODY_BYTES  # JSON and forms; images have a bound of their own
    app.url_map.strict_slashes = app.url_map.merge_slashes = False  # no redirects
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[EXTENSION] = Parts(settings, queue, catalogue, registry, UploadClock(settings.upload_timeout_s))
    for blueprint in (vision.v3, vision.v2, models.v3, models.v2, admin.v3, usage.v3, health.blueprint):
        app.register_blueprint(blueprint)
    problems.register(app)
    app.before_request(_begin)
    app.after_request(_finish)
    _allow_pages(app, list(settings.cors_origins))
    return app


def close(app: Flask) -> None:
    """End the clients' threads and connections."""
    gateway: Parts = app.extensions[EXTENSION]
    gateway.clock.stop()
    gateway.models.stop()
    gateway.queue.close()
    gateway.registry.close()


def _begin() -> None:
    g.started = time.monotonic()
    g.request_id = request_id_of(request.headers.get("X-Request-Id"))


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    seconds, route = time.monotonic() - g.started, request.endpoint or "none"
    instruments.count_request(route, response.status_code, seconds)
    if route not in _QUIET:
        log.info(
            "request_answered",
            request_id=g.request_id,
            method=request.method,
            path=request.path[:200],
            status=response.status_code,
            model_key=g.get("model_key", ""),
            seconds=round(seconds, 6),
        )
    return response


def _allow_pages(app: Flask, origins: list[str]) -> None:
    """Let pages of other origins predict and read, but not change anything.

    A change is sent as JSON, which a browser asks leave for first; no leave is given for Content-Type.
    """
    asked = ["Authorization", "Idempotency-Key", "X-Request-Id", "X-Request-Timeout-S"]
    common = {"origins": origins, "send_wildcard": "*" in origins, "expose_headers": _SAID_TO_PAGES, "max_age": 600}
    predict = {"methods": ["POST", "GET"], "allow_headers": [*asked, "Content-Type"]}
    read = {"methods": ["GET"], "allow_headers": asked}
    CORS(app, resources=dict.fromkeys(_FROM_PAGES, common | predict) | dict.fromkeys(_READ_BY_PAGES, common | read))
