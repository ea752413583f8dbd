"""Small HTTP servers that stand for gateways behind nginx: they answer, hold, cut and remember."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from cli.waiting import listens
from tests.parts import wait_until


class Got(NamedTuple):
    """One request as a backend got it."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]


class Backend(ThreadingHTTPServer):
    """Answers every request with 200 and its own number. While ``cuts``, it reads a request and ends the connection.

    ``gate`` holds all answers while it is clear; ``begun`` is set by the first byte of a body. ``refuses`` is the
    status that requests without the API key ``good`` get.
    """

    daemon_threads = True

    def __init__(self, number: int = 0, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.number, self.cuts, self.refuses = number, False, 0
        self.got: list[Got] = []
        self._connections: list[socket.socket] = []
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections are meant to break."""

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def stop(self) -> None:
        """End as a process does: nobody can connect, and connections that were kept are closed."""
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # A process that is just being started somewhere in these tests may hold a copy of the socket for a moment.
        wait_until(lambda: not listens(self.server_port), what="its port is closed")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Backend

    def _answer(self) -> None:
        body = self._body()
        backend = self.server
        backend.got.append(Got(self.command, self.path, body, dict(self.headers)))
        backend.gate.wait(20)
        if backend.cuts:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status = backend.refuses if backend.refuses and self.headers["X-Api-Key"] != "good" else 200
        told = {"backend": backend.number, "bytes": len(body), "request_id": self.headers["X-Request-Id"]}
        answer = json.dumps(told | {"filler": "x" * 3000}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self._read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self._read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _read(self, size: int) -> bytes:
        first = self.rfile.read(min(size, 1))
        if first:
            self.server.begun.set()
        return first + self.rfile.read(size - len(first))

    def log_message(self, *_: object) -> None:
        pass
