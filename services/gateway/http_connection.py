"""A connection over which HTTP/1.1 is spoken: httptools reads its requests, and an ASGI application answers them.

They are answered one after the other, in their order. Of what is no HTTP nothing is repeated to its sender.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from chassis import logs
from services.gateway.http_request import CLOSE, FRAMING, MOST_WAITING_BYTES, Application, Message, Request, head
from services.gateway.problems import PROBLEM_TYPE, http_problem, problem_json
from services.gateway.request_ids import request_id_of

log = logs.logger()
_MOST_TARGET_BYTES = 4096
_MOST_FIELDS = 64
_MOST_HEAD_BYTES = 64 * 1024
_LINGER_S = 2.0
_PROXIED = b"x-forwarded-for"
_TCP_INFO_BYTES, _LAST_DATA_RECEIVED_MS = 56, slice(52, 56)  # Linux: struct tcp_info, tcpi_last_data_recv


class Home(Protocol):
    """Whose connections they are; *leaving* asks each to end with its next answer."""

    asgi: Application
    loop: asyncio.AbstractEventLoop
    leaving: bool

    def opened(self, connection: Connection) -> None:
        """Count *connection*."""

    def closed(self, connection: Connection) -> None:
        """Count it no longer."""


class _BadHead(Exception):
    """The head of a request goes over a bound; *status* says which."""

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self.status = status


class _Body:
    """What is told of a body that *connection* is in the middle of."""

    def __init__(self, connection: Connection) -> None:
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete


class Connection(asyncio.Protocol):
    """One connection of *home*, from its acceptance to its end."""

    def __init__(self, home: Home) -> None:
        self.loop = home.loop
        self._home = home
        self._transport: Any = None
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[Request] = deque()  # the first is being answered, the last may still arrive
        self._task: asyncio.Task[None] | None = None
        self._quiet_since_s = self.loop.time()
        self._room: asyncio.Future[None] | None = None
        self._written_bytes = self._sent_bytes = 0
        self._sent_s = 0.0
        self._ends = self._held = self._in_head = False
        self._last_words = b""
        self._begin_head()

    # What asyncio calls.

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        lent = transport.get_extra_info("socket")  # uvloop's makes a new one for each question
        self._socket = socket.socket(lent.family, lent.type, lent.proto, lent.fileno())
        named = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        self._server, self._client = (name and name[:2] for name in named)  # IPv6 has more; a client that left, none
        self._home.opened(self)

    def data_received(self, data: bytes) -> None:
        """Read *data*; after the last request that can be answered here, let it go by."""
        if self._ends:
            return
        self._head_bytes += len(data)
        try:
            self._feed(data)
            if self._head_bytes > _MOST_HEAD_BYTES:
                raise _BadHead(431)
        except (httptools.HttpParserError, _BadHead) as error:
            self._malformed(error)
        self.flow()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])

    def _stay(self, rest: bytes) -> None:
        """Answer one who would speak another protocol (Java's client asks for h2c with its first request) in this one.

        Its parser has stopped before the body; another one reads on, which is told of the body alone. What stands
        behind that is of the other protocol, and goes by.
        """
        self._requests[-1].keep = False
        framing = [b"%b: %b\r\n" % field for field in self._fields if field[0] in FRAMING]
        self._parser = httptools.HttpRequestParser(_Body(self))
        self._parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *framing, b"%b: %b\r\n\r\n" % CLOSE, rest]))

    def eof_received(self) -> bool:
        """Answer what is here of one who sends no more, unless it is a proxy: its own client has left then."""
        if not self._requests or _PROXIED in (name for name, _ in self._requests[0].scope["headers"]):
            return False
        self._ends = True
        if not self._requests[-1].whole:
            self._requests[-1].cut()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._socket.detach()
        self._home.closed(self)
        self._ends = True
        for request in self._requests:
            request.cut()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        self._room = self.loop.create_future()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._room and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin_head()
        self._in_head = True

    def _begin_head(self) -> None:
        self._target, self._fields, self._head_bytes, self._expects = b"", list[tuple[bytes, bytes]](), 0, False

    def on_url(self, piece: bytes) -> None:
        """A piece of what it asks for."""
        self._target += piece
        if len(self._target) > _MOST_TARGET_BYTES:
            raise _BadHead(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of its head; those that could pass for others (``_`` and ``-`` are one in WSGI) are left out.

        So are those behind the body: a proxy that sets a field in the head looks at no other.
        """
        if not self._in_head:
            return
        if len(self._fields) == _MOST_FIELDS:
            raise _BadHead(431)
        if b"_" not in name:
            name = name.lower()
            self._fields.append((name, value.rstrip(b" \t")))
            self._expects = self._expects or (name == b"expect" and value.lower() == b"100-continue")

    def on_headers_complete(self) -> None:
        """Its head is whole: answer it when its turn comes, which is at once for nearly all."""
        self._in_head, self._head_bytes = False, 0
        keep = self._parser.should_keep_alive()
        self._requests.append(Request(self, self._scope(), keep=keep, expects=self._expects))
        if len(self._requests) == 1:
            self._answer_next()

    def on_body(self, piece: bytes) -> None:
        """A piece of its body; what comes before the next, or behind the last, is bounded as a head is."""
        self._head_bytes = 0
        self._requests[-1].take(piece)

    def on_message_complete(self) -> None:
        """It is whole."""
        if not self._parser.should_upgrade():
            request = self._requests[-1]
            request.end()
            self._ends = self._ends or not request.keep

    def _scope(self) -> Message:
        target, _, query = self._target.partition(b"?")
        if not target.startswith(b"/"):  # of a proxy: http://host/path
            target = httptools.parse_url(self._target).path or b"/"
        try:
            path, _ = target.decode("ascii"), query.decode("ascii")
        except UnicodeDecodeError:
            raise _BadHead(400) from None
        return {
            "type": "http",
            "method": self._parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": target,
            "query_string": query,
            "headers": self._fields,
            "http_version": self._parser.get_http_version(),
            "scheme": "http",
            "root_path": "",
            "server": self._server,
            "client": self._client,
            "unread_s": self._unread_s(),
        }

    def _unread_s(self) -> float:
        """Return how long the newest of what was read lay in the kernel: while the loop, or the machine, was busy."""
        try:
            told = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        except OSError:  # no TCP
            return 0.0
        return int.from_bytes(told[_LAST_DATA_RECEIVED_MS], "little") / 1000

    # What its requests and its home call.

    def write(self, data: bytes) -> None:
        """Write *data* behind what is written; nothing to a client that has gone."""
        if data and not self._transport.is_closing():
            self._transport.write(data)
            self._written_bytes += len(data)

    async def drained(self) -> None:
        """Wait until what is written has mostly left."""
        if self._room:
            await self._room

    def flow(self) -> None:
        """Read on, or no longer: a second request that waits, or much of a body, is enough for now."""
        held = len(self._requests) > 1 or any(one.waiting_bytes > MOST_WAITING_BYTES for one in self._requests)
        if held != self._held and not self._transport.is_closing():
            self._held = held
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    def ends(self) -> bool:
        """Say whether the answer to the request whose turn it is is the last."""
        return (self._ends or self._home.leaving) and len(self._requests) == 1 and not self._last_words

    def end_if_quiet(self, since_s: float) -> None:
        """Close the connection where no request has been on it since then (the loop's time)."""
        if not self._requests and self._quiet_since_s <= since_s:
            self._transport.close()

    def end_if_stalled(self, now_s: float, since_s: float) -> None:
        """Cut the connection off where its client has taken nothing of what is written since then (the loop's time).

        Whoever writes an answer to it waits, which is a thread for most; to be called again and again.
        """
        sent_bytes = self._written_bytes - self._transport.get_write_buffer_size()
        if sent_bytes == self._written_bytes or sent_bytes != self._sent_bytes:
            self._sent_bytes, self._sent_s = sent_bytes, now_s
        elif self._sent_s <= since_s:
            self._transport.abort()

    def _answer_next(self) -> None:
        self._task = self.loop.create_task(self._answer(self._requests[0]))

    async def _answer(self, request: Request) -> None:
        request.scope["whole"] = request.whole
        try:
            await self._home.asgi(request.scope, request.receive, request.send)
        except Exception:
            log.exception("answer_failed", path=request.scope["path"][:200])
        if not request.answered:
            self._last_words = b"" if request.begun else raw_answer(500, request_id_of(None))
            self._end(abruptly=request.begun)
            return
        self._requests.popleft()
        if self._requests:
            self._answer_next()
        elif self._ends or not request.keep:
            self._end(more_comes=not request.whole or bool(self._last_words))
        else:
            self._quiet_since_s = self.loop.time()
        self.flow()

    def _malformed(self, error: Exception) -> None:
        """End after what is asked already: where the next request begins is not to be known any more."""
        if self._ends:
            return  # what follows the last request is no request
        self._ends = True
        if self._requests and not self._requests[-1].whole:
            self._requests[-1].cut()
            return
        cause = error if isinstance(error, _BadHead) else error.__context__
        status = cause.status if isinstance(cause, _BadHead) else 400
        request_id = request_id_of(None)
        log.info("request_malformed", request_id=request_id, status=status, reason=str(cause or error)[:100])
        self._last_words = raw_answer(status, request_id)
        if not self._requests:
            self._end(more_comes=True)

    def _end(self, *, more_comes: bool = False, abruptly: bool = False) -> None:
        """Close the connection, but not before a client that still sends has its answer: it would lose it."""
        self._ends = True
        self.write(self._last_words)
        if abruptly:
            self._transport.abort()
        elif more_comes and not self._transport.is_closing():
            self._transport.write_eof()
            self.loop.call_later(_LINGER_S, self._transport.close)
        else:
            self._transport.close()


def raw_answer(status: int, request_id: str) -> bytes:
    """Return a whole HTTP answer with the problem of *status*; the connection ends with it."""
    body = problem_json(http_problem(status), request_id)
    fields = [
        (b"Content-Type", PROBLEM_TYPE.encode()),
        (b"Content-Length", b"%d" % len(body)),
        (b"X-Request-Id", request_id.encode()),
        CLOSE,
    ]
    return head(status, fields) + body
