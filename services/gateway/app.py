"""The application: every resource's blueprint, and what happens around each request."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, g, request

from chassis import logs
from services.gateway import (
    admin,
    api_keys,
    health,
    inference,
    instruments,
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
from services.gateway.arrivals import arrived_s
from services.gateway.cors import cors_headers
from services.gateway.parts import EXTENSION, Parts
from services.gateway.rate_limits import rate_limit_headers
from services.gateway.request_ids import request_id_of

log = logs.logger()
_QUIET = frozenset({"health.live", "health.ready", "health.metrics", "page.file", "page.page", "page.docs"})
_JSON_BODY_BYTES = 2**20


class _Application(Flask):
    def ensure_sync(self, func: Any) -> Any:
        """Return *func*: no view here is a coroutine, and Flask would look at each call whether it is."""
        return func


def create_app(parts: Parts) -> Flask:
    """Return the WSGI application over clients that are started already; one for each process."""
    app = _Application(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _JSON_BODY_BYTES  # JSON and forms; images have a bound of their own
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
    app.before_request(_Begin(parts))
    app.after_request(_Finish(parts.settings.cors_origins))
    return app


def close(app: Flask) -> None:
    """End the clients' threads and connections."""
    parts: Parts = app.extensions[EXTENSION]
    parts.clock.stop()
    parts.models.stop()
    parts.keys.stop()
    parts.queue.close()
    parts.operator.close()
    parts.registry.close()
    parts.jobs.close()


class _Begin:
    """What every request gets before its view: an id, and who sends it; raises Unauthorized."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __call__(self) -> None:
        about, asked = g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
        about.started = arrived_s()
        about.request_id = request_id_of(asked.environ.get("HTTP_X_REQUEST_ID"))
        about.model_key = ""
        about.caller, about.claim = api_keys.EVERYONE, None
        about.caller = api_keys.identify(asked.environ, asked.endpoint, self._parts)


class _Finish:
    """What every answer gets: its id, leave for pages of other origins, a count and a line in the log."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = origins

    def __call__(self, response: Response) -> Response:
        about, asked = g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
        response.headers["X-Request-Id"] = about.request_id
        if about.claim:
            response.headers.update(rate_limit_headers(about.claim))
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        origin = asked.environ.get("HTTP_ORIGIN")
        if origin:
            preflight = asked.method == "OPTIONS"
            leave = cors_headers(origin, asked.path, allowed=self._origins, preflight=preflight)
            response.headers.update(leave)
        seconds, route = time.monotonic() - about.started, asked.endpoint or "none"
        instruments.count_request(route, response.status_code, seconds)
        if route not in _QUIET:
            log.info(
                "request_answered",
                request_id=about.request_id,
                method=asked.method,
                path=asked.path[:200],
                status=response.status_code,
                model_key=about.model_key,
                client_id=about.caller.client_id,
                api_key=about.caller.id,
                seconds=round(seconds, 6),
            )
        return response
