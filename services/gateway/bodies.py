"""The body of a request, read within bounds: bytes while they arrive, its own and those of all together, and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from werkzeug.exceptions import RequestTimeout

from chassis.errors import BadRequest, TooLarge, Unavailable, UnsupportedMedia

Receive = Callable[[], Awaitable[Any]]
"""Gives the next piece of a body, as ASGI has it."""


class Room:
    """How many bytes the bodies of one process hold together, from their arrival to their answers.

    What a connection has not handed on yet, a mebibyte at most, is not counted. No locks: it belongs to an event loop.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._held_bytes = most_bytes, 0

    def take(self, count: int) -> None:
        """Hold *count* bytes more; Unavailable where that is more than there is room for."""
        if self._held_bytes + count > self._most_bytes:
            raise Unavailable("as many bodies as this gateway has room for are under way")
        self._held_bytes += count

    def leave(self, count: int) -> None:
        """Hold *count* bytes less."""
        self._held_bytes -= count


async def read_body(
    receive: Receive, environ: Mapping[str, Any], *, room: Room, max_bytes: int, timeout_s: float, whole: bool = False
) -> bytes | bytearray:
    """Return the whole body; TooLarge as soon as it goes over *max_bytes*, 408 when it takes too long.

    What it holds of *room* its caller leaves. One that has arrived *whole* already is not waited for.
    BadRequest for a body that ends before its Content-Length, UnsupportedMedia for a compressed one: nothing is
    ever unpacked here, so nothing can swell.
    """
    length = environ.get("CONTENT_LENGTH")
    if length is None and "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMedia("send the body as it is, without Content-Encoding")
    if length is not None and int(length) > max_bytes:
        raise TooLarge(f"the body has {length} bytes; {max_bytes} is the limit")
    if whole:
        return await _read(receive, max_bytes, room)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, max_bytes, room)
    except TimeoutError:
        raise RequestTimeout from None


async def _read(receive: Receive, max_bytes: int, room: Room) -> bytes | bytearray:
    body: bytes | bytearray = b""
    more = True
    try:
        while more:
            message = await receive()
            piece, more = message.get("body", b""), message.get("more_body", False)
            if len(body) + len(piece) > max_bytes:
                raise TooLarge(f"the body has more than the {max_bytes} bytes that are allowed")
            room.take(len(piece))
            body = _joined(body, piece) if body else piece
        if message["type"] == "http.disconnect":
            raise BadRequest("the body ends before its Content-Length")
    except BaseException:  # the time limit too
        room.leave(len(body))
        raise
    return body


def _joined(body: bytes | bytearray, piece: bytes) -> bytearray:
    grown = body if isinstance(body, bytearray) else bytearray(body)
    grown += piece
    return grown
