"""HTTP/1.1 as cheap as it gets: requests rendered once, answers read without a parser. For the load generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_BOUNDARY = b"servoir-bench-boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_CHUNKED = b"transfer-encoding: chunked"
_CLOSES = b"connection: close"
_LINE_END = b"\r\n"


class Answer(NamedTuple):
    """A whole answer; *closes* says that no other comes on its connection."""

    status: int
    body: bytes
    closes: bool = False


def form(filename: str, content: bytes, *, copies: int = 1) -> bytes:
    """Return a body of CONTENT_TYPE that holds a picture (*copies* of it) as ``image``."""
    part = [
        b"--" + _BOUNDARY + b"\r\n",
        f'Content-Disposition: form-data; name="image"; filename="{filename}"\r\n'.encode(),
        b"Content-Type: image/jpeg\r\n\r\n",
        content,
        b"\r\n",
    ]
    return b"".join([*part * copies, b"--" + _BOUNDARY + b"--\r\n"])


def upload(
    host: str, path: str, body: bytes, headers: Mapping[str, str] | None = None, *, content_type: str = CONTENT_TYPE
) -> bytes:
    """Return the bytes of a POST of *body*, by default a form, on a connection that is kept."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_answer(received: bytes | bytearray) -> Answer | None:
    """Return the answer in what was *received*, None while some of it is missing; ValueError for what is none.

    An answer must name its length, as ours do, or come in chunks, as some of others' do.
    """
    head_end = received.find(_HEAD_END)
    if head_end < 0:
        return None
    head = bytes(received[:head_end]).lower()
    if not head.startswith(b"http/1."):
        raise ValueError(f"no answer: {head[:200]!r}")
    body = _body(received, head, head_end + len(_HEAD_END))
    return None if body is None else Answer(int(head[9:12]), body, _CLOSES in head)


def _body(received: bytes | bytearray, head: bytes, body_at: int) -> bytes | None:
    start = head.find(_LENGTH)
    if start < 0:
        if _CHUNKED not in head:
            raise ValueError(f"no answer with a length: {head[:200]!r}")
        return _joined(received, body_at)
    start += len(_LENGTH)
    end = head.find(_LINE_END, start)
    length = int(head[start : end if end > 0 else None])
    return bytes(received[body_at : body_at + length]) if len(received) >= body_at + length else None


def _joined(received: bytes | bytearray, at: int) -> bytes | None:
    """Return the chunks from *at* on as one; None while the last is missing."""
    parts = list[bytes]()
    while (line_end := received.find(_LINE_END, at)) >= 0:
        size = int(bytes(received[at:line_end]).partition(b";")[0], 16)
        start = line_end + len(_LINE_END)
        at = start + size + len(_LINE_END)
        if len(received) < at:
            return None
        if not size:
            return b"".join(parts)
        parts.append(bytes(received[start : start + size]))
    return None
