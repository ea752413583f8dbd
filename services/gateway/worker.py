"""Gunicorn's worker for ASGI, with our connections and our way to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gunicorn.workers import gasgi

from services.gateway.http_connection import Connection

_LINGER_S = 1.0
_STALLED_S = 30.0
_LOOK_S = 0.05

gasgi.ASGIProtocol = Connection  # the worker has no other place to name it


class Worker(gasgi.ASGIWorker):  # type: ignore[misc]
    """Refuses connections from the moment that it is told to stop; those that it has are answered, then closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connections: set[Connection] = set()
        self.leaving = self._told = False
        super().__init__(*args, **kwargs)

    def opened(self, connection: Connection) -> None:
        """Count *connection*."""
        self.connections.add(connection)
        self.nr_conns = len(self.connections)

    def closed(self, connection: Connection) -> None:
        """Count it no longer."""
        self.connections.discard(connection)
        self.nr_conns = len(self.connections)

    def notify(self) -> None:
        """Tell the arbiter that this process lives, every second; end connections that nobody has used for long.

        So are those whose clients take nothing of their answers.
        """
        super().notify()
        self._end_quiet(self.cfg.keepalive)
        now_s = self.loop.time()
        for connection in list(self.connections):
            connection.end_if_stalled(now_s, now_s - _STALLED_S)

    def _end_quiet(self, for_s: float) -> None:
        since_s = self.loop.time() - for_s
        for connection in list(self.connections):
            connection.end_if_quiet(since_s)

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
                await self.loop.connect_accepted_socket(lambda: Connection(self), connection)
        ending = asyncio.ensure_future(super()._shutdown())
        until = self.loop.time() + _LINGER_S
        while not ending.done():
            await asyncio.wait([ending], timeout=_LOOK_S)
            if self.loop.time() > until:
                self._end_quiet(0.0)
        await ending


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that wait for it: the kernel would cut them off with the listener."""
    with suppress(OSError):  # none waits any more
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection
