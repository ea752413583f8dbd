"""One HTTP/1.1 request on its connection, as ASGI has it: ``receive`` gives its body, ``send`` writes its answer.

A body is given whole where it has arrived whole, which it nearly always has: nobody waits for it, and nothing of it is
copied but what came in pieces. Of a large or endless one no more than a mebibyte waits here to be taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
Field = tuple[bytes, bytes]
MOST_WAITING_BYTES = 2**20
CLOSE: Field = (b"Connection", b"close")
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""The fields that say where a body ends."""
_BODILESS = frozenset({204, 304})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Line(Protocol):
    """What a request needs of its connection."""

    loop: asyncio.AbstractEventLoop

    def write(self, data: bytes) -> None:
        """Write *data* behind what is written."""

    async def drained(self) -> None:
        """Wait until what is written has mostly left; at once where the client has."""

    def flow(self) -> None:
        """Read on, or no longer: what waits to be taken has changed."""

    def ends(self) -> bool:
        """Say whether the connection is to end with its next answer."""


class Request:
    """One request; *keep* says whether its sender can ask again on the same connection."""

    def __init__(self, line: Line, scope: Message, *, keep: bool, expects: bool) -> None:
        self.scope = scope
        self.keep = keep
        self.whole = self.answered = False
        self.waiting_bytes = 0
        self._line = line
        self._expects = expects
        self._pieces: list[bytes] = []
        self._gone = self._given = False
        self._when_gone: Callable[[], object] | None = None
        scope["when_gone"] = self.when_gone
        self._change: asyncio.Future[None] | None = None
        self._head: Message | None = None
        self.begun = self._chunked = self._bodiless = False

    def take(self, piece: bytes) -> None:
        """Take a piece of the body; that of a request that is answered goes nowhere."""
        if not self.answered:
            self._pieces.append(piece)
            self.waiting_bytes += len(piece)
            if self.waiting_bytes > MOST_WAITING_BYTES:
                self._changed()

    def end(self) -> None:
        """The body is whole."""
        self.whole = True
        self._changed()

    def cut(self) -> None:
        """Its sender is gone: what has not come never will."""
        self._gone = True
        self._changed()
        if self._when_gone and not self.answered:
            self._when_gone()

    def when_gone(self, call: Callable[[], object]) -> None:
        """Call *call* where its sender goes before it is answered."""
        self._when_gone = call

    def _changed(self) -> None:
        if self._change and not self._change.done():
            self._change.set_result(None)

    async def receive(self) -> Message:
        """Return the body once all of it is here, or much of it; after it, that the sender is gone."""
        if self._expects and not self._pieces and not self.whole:
            self._expects = False
            self._line.write(_CONTINUE)
        while not self._gone and (self._given or not self.whole) and self.waiting_bytes <= MOST_WAITING_BYTES:
            self._change = self._line.loop.create_future()
            await self._change
        if self._given or (self._gone and not self.whole):
            return {"type": "http.disconnect"}
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.waiting_bytes = 0
        self._given = self.whole
        self._line.flow()
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def send(self, message: Message) -> None:
        """Write what *message* says of the answer; its head goes with the first of its body."""
        if message["type"] == "http.response.start":
            self._head = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        head = b"" if self.begun else self._begin(len(body), more)
        if self._bodiless:
            body = b""
        elif self._chunked:
            body = _chunk(body, last=not more)
        self._line.write(head + body)
        self.answered = not more
        if more:
            await self._line.drained()

    def _begin(self, body_bytes: int, more: bool) -> bytes:
        """Return the head of an answer that begins with so many bytes."""
        assert self._head is not None
        self.begun = True
        status, fields = self._head["status"], list(self._head["headers"])
        self._bodiless = status in _BODILESS or self.scope["method"] == "HEAD"
        if not self._bodiless and not any(name.lower() == b"content-length" for name, _ in fields):
            fields += self._framing(body_bytes, more)
        if not self.keep or not self.whole or self._line.ends():
            self.keep = False
            fields.append(CLOSE)
        elif self.scope["http_version"] == "1.0":
            fields.append((b"Connection", b"keep-alive"))
        return head(status, fields)

    def _framing(self, body_bytes: int, more: bool) -> list[Field]:
        """Return the field that tells where a body of unknown length ends; with HTTP/1.0 its connection does."""
        if not more:
            return [(b"Content-Length", b"%d" % body_bytes)]
        if self.scope["http_version"] == "1.1":
            self._chunked = True
            return [(b"Transfer-Encoding", b"chunked")]
        self.keep = False
        return []


def head(status: int, fields: Iterable[Field]) -> bytes:
    """Return the head of an answer."""
    lines = [_status_line(status), *(b"%b: %b\r\n" % field for field in fields), _date(int(time.time()))]
    return b"".join(lines)


def _chunk(body: bytes, *, last: bool) -> bytes:
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return chunk + b"0\r\n\r\n" if last else chunk


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {int(status)} {phrase}\r\n".encode("ascii")


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    """Return the last line of every head, and its end."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n\r\n".encode("ascii")
