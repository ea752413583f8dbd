"""A multipart/form-data body (RFC 7578) cut into its parts, each a view into the body: nothing is copied.

Werkzeug's own parser is built for bodies that do not fit in memory; ours are bounded, and a search for the
boundary over the whole body costs a tenth of that.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from werkzeug.http import parse_options_header

from chassis.errors import BadRequest, TooLarge

_MAX_HEADER_BYTES = 8192
_MOST_FALSE_DELIMITERS = 256  # in one part: a sender's boundary is not to be in what it sends at all
#: What nearly all senders write; anything else goes the long way through Werkzeug's parser.
_PLAIN_TYPE = re.compile(r"multipart/form-data; boundary=([A-Za-z0-9'()+_./:=?-]{1,70})").fullmatch
_PLAIN_PART = re.compile(
    rb'Content-Disposition: form-data; name="([A-Za-z0-9_]+)"(?:; filename="([A-Za-z0-9_. ()-]+)")?\r\n'
).match


class Part(NamedTuple):
    """One part: its field's name, the sender's name for the file if it is one, and its bytes."""

    name: str
    filename: str | None
    content: memoryview


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names; BadRequest where it is no multipart/form-data."""
    plain = _PLAIN_TYPE(content_type)
    if plain:
        return plain[1].encode()
    kind, options = parse_options_header(content_type)
    if kind.lower() != "multipart/form-data" or not options.get("boundary"):
        raise BadRequest("send multipart/form-data with one or more files named image")
    try:
        boundary = options["boundary"].encode("ascii")
    except UnicodeEncodeError:
        raise BadRequest("the multipart boundary is not ASCII") from None
    if len(boundary) > 200:
        raise BadRequest("the multipart boundary is too long")
    return boundary


def parts_of(body: bytes | bytearray, boundary: bytes, *, max_parts: int) -> list[Part]:
    """Return the parts of *body* in order; BadRequest where it is malformed, TooLarge beyond *max_parts*."""
    delimiter = b"\r\n--" + boundary
    view = memoryview(body)
    found: list[Part] = []
    at = _first_delimiter_end(body, delimiter)
    while body[at : at + 2] != b"--":
        if len(found) == max_parts:
            raise TooLarge(f"more than {max_parts} parts in one request")
        headers_start = _line_end(body, at)
        start = _headers_end(body, headers_start)
        end = _next_delimiter(body, delimiter, start)
        name, filename = _disposition(body[headers_start:start])
        found.append(Part(name, filename, view[start:end]))
        at = end + len(delimiter)
    return found


def _first_delimiter_end(body: bytes | bytearray, delimiter: bytes) -> int:
    if body.startswith(delimiter[2:]):
        return len(delimiter) - 2
    at = body.find(delimiter)
    if at < 0:
        raise BadRequest("the body does not hold the multipart boundary that its header names")
    return at + len(delimiter)


def _line_end(body: bytes | bytearray, at: int) -> int:
    end = body.find(b"\r\n", at, at + 128)
    if end < 0 or body[at:end].strip(b" \t"):
        raise BadRequest("malformed multipart body: a boundary is not followed by a new line")
    return end + 2


def _headers_end(body: bytes | bytearray, at: int) -> int:
    end = body.find(b"\r\n\r\n", at, at + _MAX_HEADER_BYTES)
    if end < 0:
        raise BadRequest("malformed multipart body: a part without headers, or with too many")
    return end + 4


def _next_delimiter(body: bytes | bytearray, delimiter: bytes, at: int) -> int:
    """Return where the next delimiter starts; one that goes on with other text is content."""
    at -= 2  # some senders of an empty part let its headers' last line break begin the delimiter
    for _ in range(_MOST_FALSE_DELIMITERS):
        at = body.find(delimiter, at)
        if at < 0:
            raise BadRequest("the body ends in the middle of a part")
        if body[at + len(delimiter) : at + len(delimiter) + 1] in (b"\r", b"-", b" ", b"\t"):
            return at
        at += len(delimiter)
    raise BadRequest("malformed multipart body: a part with too many lines that begin like the boundary")


def _disposition(headers: bytes | bytearray) -> tuple[str, str | None]:
    plain = _PLAIN_PART(headers)
    if plain:
        return plain[1].decode(), plain[2].decode() if plain[2] else None
    for line in headers.decode("utf-8", "replace").split("\r\n"):
        field, _, value = line.partition(":")
        if field.strip().lower() == "content-disposition":
            options = parse_options_header(value.strip())[1]
            return options.get("name", ""), options.get("filename")
    raise BadRequest("malformed multipart body: a part without Content-Disposition")
