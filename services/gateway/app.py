"""The application: every resource's blueprint, and what happens around each request."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, g, request

from services.gateway import (
    admin,
    health,
    inference,
    jobs,
    keys,
    models,
    openapi,
    page,
    problems,
    queues,
    reports,
    upload_sessions,
    usage,
    vision,
)
from services.gateway.exchange import EXCHANGE
from services.gateway.parts import EXTENSION, Parts

JSON_BODY_BYTES = 2**20


def create_app(parts: Parts) -> Flask:
    """Return the Flask application over *parts*; predictions, which are coroutines, it only describes (front.py)."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = JSON_BODY_BYTES  # images have a bound of their own
    app.url_map.strict_slashes = app.url_map.merge_slashes = False  # no redirects
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[EXTENSION] = parts
    resources = (
        vision.v3,
        vision.v2,
        models.v3,
        models.v2,
        admin.v3,
        queues.v3,
        reports.v3,
        usage.v3,
        keys.v3,
        jobs.v3,
        upload_sessions.v3,
    )
    for blueprint in (*resources, inference.blueprint, health.blueprint, openapi.blueprint, page.blueprint):
        app.register_blueprint(blueprint)
    problems.register(app)
    app.before_request(_begin)
    app.after_request(_finish)
    return app


def close(app: Flask) -> None:
    """End the clients' threads and connections."""
    parts: Parts = app.extensions[EXTENSION]
    parts.models.stop()
    parts.keys.stop()
    parts.queue.close()
    parts.operator.close()
    parts.registry.close()
    parts.jobs.close()


def _begin() -> None:
    """Take a request's exchange over from front.py."""
    g.exchange = request.environ["asgi.scope"][EXCHANGE]


def _finish(response: Response) -> Response:
    """Give an answer what every one gets, and tell operators of it."""
    response.headers.update(g.exchange.headers(response.status_code))
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers.setdefault("Retry-After", str(problems.RETRY_S))
    g.exchange.tell(response.status_code)
    return response
