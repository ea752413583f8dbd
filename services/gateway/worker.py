"""Gunicorn's worker for ASGI, with our way to stop and our shape of errors."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from chassis import logs
from services.gateway.problems import PROBLEM_TYPE, http_problem, problem_json
from services.gateway.request_ids import request_id_of

log = logs.logger()
_LINGER_S = 1.0
_LOOK_S = 0.05


class Protocol(ASGIProtocol):  # type: ignore[misc]
    """One connection; malformed HTTP is told as problem+json that repeats nothing of it."""

    def connection_made(self, transport: Any) -> None:
        """Begin, where the worker can find it."""
        self.worker.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Any) -> None:
        """End."""
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """Answer what is here of one who sends no more; its body, where that is not whole, ends."""
        if self._awaiting_request or self._body_receiver is None:
            return False
        self._keepalive = 0
        if not self._body_receiver._complete:
            self._body_receiver.signal_disconnect()
        return True

    def end_if_idle(self) -> None:
        """Close the connection where no request is on it."""
        if self._awaiting_request and not self._finishing_calls:
            self._keepalive_timeout()

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        return bool(self.worker.leaving or super()._will_close(request, response_requires_close))

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        request_id = request_id_of(None)
        log.info("request_malformed", request_id=request_id, status=status, reason=message[:100])
        self._safe_write(raw_answer(status, request_id))


gasgi.ASGIProtocol = Protocol  # the worker has no other place to name it


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """Refuses connections from the moment that it is told to stop; those that it has are answered, then closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connections: set[Protocol] = set()
        self.leaving = self._told = False
        super().__init__(*args, **kwargs)

    def init_process(self) -> None:
        """Begin; to be told to stop counts from now on, though the loop hears no signal before it runs."""
        signal.signal(signal.SIGTERM, self._told_to_stop)
        super().init_process()

    def init_signals(self) -> None:
        """Listen to signals."""
        super().init_signals()
        signal.signal(signal.SIGTERM, self._told_to_stop)
        if self._told:
            self._told_to_stop()

    def _told_to_stop(self, *_: Any) -> None:
        self._told = True
        if self.loop:
            self.loop.call_soon(self.handle_exit_signal)

    def handle_exit_signal(self) -> None:
        """Say with every answer from now on that its connection ends; a little later, stop."""
        if not self.leaving:
            self.leaving = True
            self.loop.call_later(_LINGER_S, super().handle_exit_signal)

    async def _shutdown(self) -> None:
        """Stop listening, and end kept connections once nobody can be about to use them any more."""
        backlogs = [listener.sock.dup() for listener in self.sockets]
        for server in self.servers:
            server.close()
        for listener in self.sockets:
            listener.close()
        await asyncio.sleep(_LOOK_S)  # what holds the listeners in the loop has let go of them
        for backlog in backlogs:
            waiting = list(_accepted(backlog))
            backlog.close()
            for connection in waiting:
                await self.loop.connect_accepted_socket(lambda: Protocol(self), connection)
        ending = asyncio.ensure_future(super()._shutdown())
        until = self.loop.time() + _LINGER_S
        while not ending.done():
            await asyncio.wait([ending], timeout=_LOOK_S)
            if self.loop.time() > until:
                for connection in list(self.connections):
                    connection.end_if_idle()
        await ending


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that wait for it: the kernel would cut them off with the listener."""
    with suppress(OSError):  # none waits any more
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


def raw_answer(status: int, request_id: str) -> bytes:
    """Return a whole HTTP answer with the problem of *status*; the connection ends with it."""
    problem = http_problem(status)
    body = problem_json(problem, request_id)
    lines = [
        f"HTTP/1.1 {status} {problem.title}",
        f"Content-Type: {PROBLEM_TYPE}",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
