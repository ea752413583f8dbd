"""HTTP/1.1 as cheap as it gets: requests rendered once, answers read without a parser. For the load generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_BOUNDARY = b"servoir-bench-boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


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


def upload(host: str, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a POST of the form *body*, on a connection that is kept."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", f"Content-Type: {CONTENT_TYPE}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_answer(received: bytes | bytearray) -> Answer | None:
    """Return the answer in what was *received*, None while some of it is missing; ValueError for what is none.

    An answer must name its length, as ours do.
    """
    head_end = received.find(_HEAD_END)
    if head_end < 0:
        return None
    head = bytes(received[:head_end]).lower()
    start = head.find(_LENGTH)
    if not head.startswith(b"http/1.") or start < 0:
        raise ValueError(f"no answer with a length: {head[:200]!r}")
    end = head.find(b"\r\n", start)
    length = int(head[start + len(_LENGTH) : end if end > 0 else None])
    body_at = head_end + len(_HEAD_END)
    if len(received) < body_at + length:
        return None
    return Answer(int(head[9:12]), bytes(received[body_at : body_at + length]))
