"""The gateway as Gunicorn runs it (ASGI): predictions are answered in the event loop, everything else by Flask.

A prediction waits, for its body and for its model; in a loop that costs no thread and no switch between threads. Its
views are coroutines over an ``Exchange``. They are routed, described and told errors as all others, but Flask never
calls them. The others are ordinary Flask views, each in a thread, and find their request's exchange begun: who asks
is known, and the body is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from a2wsgi import WSGIMiddleware
from flask import Flask
from werkzeug.exceptions import HTTPException

from services.gateway import api_keys
from services.gateway.app import JSON_BODY_BYTES, close
from services.gateway.bodies import Receive, Room, read_body
from services.gateway.exchange import EXCHANGE, Exchange, begun
from services.gateway.http_request import FRAMING
from services.gateway.operations import BYTES, IMAGES
from services.gateway.parts import EXTENSION, Parts
from services.gateway.problems import error_reply
from services.gateway.reply import Reply

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
View = Callable[..., Awaitable[Reply]]
_ROUTES = 4096
_CLIENT_LEFT = 499  # as nginx has it in its log: nobody is told


class Route(NamedTuple):
    """A view, with the arguments that are in the address; *error* is how it tells errors.

    One that is *awaited* is a coroutine. A body may have *most_bytes*; where that is 0, none is read.
    """

    endpoint: str
    view: View
    arguments: Mapping[str, Any]
    error: Any
    awaited: bool
    most_bytes: int


class Front:
    """The ASGI application over *app*, whose parts it starts and closes with the process."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._gateway: Parts = app.extensions[EXTENSION]
        self._flask = WSGIMiddleware(app, workers=self._gateway.settings.gateway_threads)  # type: ignore[arg-type]
        self._addresses = app.url_map.bind("")
        self._route = lru_cache(maxsize=_ROUTES)(self._find_route)
        self._room = Room(self._gateway.settings.gateway_max_bodies_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        route = self._route(scope["method"], scope["path"])
        endpoint = route.endpoint if route else None
        exchange = begun(environ_of(scope), endpoint, self._gateway, unread_s=scope.get("unread_s", 0.0))
        try:
            await self._answer(exchange, route, scope, receive, send)
        finally:
            self._room.leave(len(exchange.body))

    async def _answer(
        self, exchange: Exchange, route: Route | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            exchange.caller = api_keys.identify(exchange.environ, exchange.endpoint, self._gateway)
            if route and route.most_bytes:
                exchange.body = await read_body(
                    receive,
                    exchange.environ,
                    room=self._room,
                    max_bytes=route.most_bytes,
                    timeout_s=self._gateway.settings.upload_timeout_s,
                    whole=scope.get("whole", False),
                )
            if not route or not route.awaited:
                await self._flask(_arrived(scope, exchange), _whole(exchange.body), send)  # type: ignore[arg-type]
                return
            if (task := asyncio.current_task()) and (when_gone := scope.get("when_gone")):
                when_gone(task.cancel)
            reply = await route.view(exchange, **route.arguments)
        except asyncio.CancelledError:
            exchange.tell(_CLIENT_LEFT)
            raise
        except Exception as error:
            reply = error_reply(error, exchange.request_id, as_type=route.error if route else None)
        await _send(reply, exchange, send)

    def _find_route(self, method: str, path: str) -> Route | None:
        """Return what answers at an address, None where Flask is to say that nothing does."""
        try:
            endpoint, arguments = self._addresses.match(path, method=method)
        except HTTPException:
            return None
        view: Any = self._app.view_functions[endpoint]
        operation = getattr(view, "operation", None)
        takes, error = (operation.takes, operation.error) if operation else (None, None)
        awaited = iscoroutinefunction(view) and method != "OPTIONS"
        most_bytes = self._gateway.settings.max_upload_bytes if awaited else self._most_bytes(takes)
        return Route(endpoint, view, arguments, error, awaited, most_bytes)

    def _most_bytes(self, takes: Any) -> int:
        """Return how large a body of what an address *takes* may be."""
        if takes is None:
            return 0
        kinds = takes if isinstance(takes, tuple) else (takes,)
        return self._gateway.settings.max_upload_bytes if {IMAGES, BYTES}.intersection(kinds) else JSON_BODY_BYTES

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


def _arrived(scope: Scope, exchange: Exchange) -> Scope:
    """Return *scope* for Flask, whose views find *exchange* in it, with the length of the body that has arrived.

    Of one that came in chunks Werkzeug would see nothing: it reads no body that has no length.
    """
    headers = [field for field in scope["headers"] if field[0] not in FRAMING]
    headers.append((b"content-length", b"%d" % len(exchange.body)))
    return {**scope, "headers": headers, EXCHANGE: exchange}


def _whole(body: bytes | bytearray) -> Receive:
    """Return a body that has arrived as ASGI gives it."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

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
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})
    finally:
        exchange.tell(reply.status)
