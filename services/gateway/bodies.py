"""The body of a request, read within bounds: bytes while they arrive, and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from werkzeug.exceptions import RequestTimeout

from chassis.errors import BadRequest, TooLarge, UnsupportedMedia

Receive = Callable[[], Awaitable[Any]]
"""Gives the next piece of a body, as ASGI has it."""


async def read_body(
    receive: Receive, environ: Mapping[str, Any], *, max_bytes: int, timeout_s: float, whole: bool = False
) -> bytes | bytearray:
    """Return the whole body; TooLarge as soon as it goes over *max_bytes*, 408 when it takes too long.

    One that has arrived *whole* already is not waited for.
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
        return await _read(receive, max_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, max_bytes)
    except TimeoutError:
        raise RequestTimeout from None


async def _read(receive: Receive, max_bytes: int) -> bytes | bytearray:
    message = await receive()
    body: bytes | bytearray = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        if isinstance(body, bytes):
            body = bytearray(body)
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise TooLarge(f"the body has more than the {max_bytes} bytes that are allowed")
    if message["type"] == "http.disconnect":
        raise BadRequest("the body ends before its Content-Length")
    return body
