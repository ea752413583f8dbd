"""The gateway as Gunicorn runs it (ASGI): predictions are answered in the event loop, everything else by Flask.

A prediction waits, for its body and for its model; in a loop that costs no thread and no switch between threads. Its
views are coroutines over an ``Exchange``. They are routed, described and told errors as all others, but Flask never
calls them. The others are ordinary Flask views, each in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from a2wsgi import WSGIMiddleware
from flask import Flask
from werkzeug.exceptions import HTTPException

from services.gateway import api_keys
from services.gateway.app import close
from services.gateway.bodies import Receive, read_body
from services.gateway.exchange import Exchange, begun
from services.gateway.parts import EXTENSION, Parts
from services.gateway.problems import error_reply
from services.gateway.reply import Reply

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
View = Callable[..., Awaitable[Reply]]
_ROUTES = 4096


class Route(NamedTuple):
    """A view that is a coroutine, with the arguments that are in the address; *error* is how it tells errors."""

    endpoint: str
    view: View
    arguments: Mapping[str, Any]
    error: Any


class Front:
    """The ASGI application over *app*, whose parts it starts and closes with the process."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._gateway: Parts = app.extensions[EXTENSION]
        self._flask = WSGIMiddleware(app, workers=self._gateway.settings.gateway_threads)  # type: ignore[arg-type]
        self._addresses = app.url_map.bind("")
        self._route = lru_cache(maxsize=_ROUTES)(self._find_route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        environ = environ_of(scope)
        route = self._route(scope["path"]) if scope["method"] == "POST" else None
        exchange = begun(environ, route.endpoint if route else None, self._gateway, unread_s=scope.get("unread_s", 0.0))
        try:
            settings = self._gateway.settings
            if route:
                exchange.caller = api_keys.identify(environ, route.endpoint, self._gateway)
            exchange.body = await read_body(
                receive,
                environ,
                max_bytes=settings.max_upload_bytes,
                timeout_s=settings.upload_timeout_s,
                whole=scope.get("whole", False),
            )
            if not route:
                await self._flask(scope, _whole(exchange.body), send)  # type: ignore[arg-type]
                return
            reply = await route.view(exchange, **route.arguments)
        except Exception as error:
            reply = error_reply(error, exchange.request_id, as_type=route.error if route else None)
        await _send(reply, exchange, send)

    def _find_route(self, path: str) -> Route | None:
        try:
            endpoint, arguments = self._addresses.match(path, method="POST")
        except HTTPException:
            return None
        view = self._app.view_functions[endpoint]
        if not iscoroutinefunction(view):
            return None
        return Route(endpoint, view, arguments, view.operation.error)  # type: ignore[attr-defined]

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start the parts, and close them at the end."""
        gateway = self._gateway
        await receive()
        gateway.queue.start_in(asyncio.get_running_loop())
        for known in (gateway.models, gateway.keys):
            known.start()
        for known in (gateway.models, gateway.keys):
            await asyncio.to_thread(known.wait, gateway.settings.start_timeout_s)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await gateway.queue.asynchronous.close()
        close(self._app)
        await send({"type": "lifespan.shutdown.complete"})


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return what of a request our endpoints look at, under the names that WSGI gives it."""
    environ = {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
    }
    for name, value in scope["headers"]:
        variable, text = _variable(name), value.decode("latin-1")
        environ[variable] = f"{environ[variable]}, {text}" if variable in environ else text
    return environ


@lru_cache(maxsize=1024)
def _variable(header: bytes) -> str:
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def _whole(body: bytes | bytearray) -> Receive:
    """Return a body that has arrived as ASGI gives it."""
    messages = iter([{"type": "http.request", "body": bytes(body), "more_body": False}])

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    return receive


async def _send(reply: Reply, exchange: Exchange, send: Send) -> None:
    headers = {
        **reply.headers,
        **exchange.headers(reply.status),
        "Content-Type": reply.content_type,
        "Content-Length": str(len(reply.body)),
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    try:
        await send({"type": "http.response.start", "status": HTTPStatus(reply.status), "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})
    finally:
        exchange.tell(reply.status)
