"""HTTP/1.1 as cheap as it gets: requests rendered once, answers read without a parser. For the load generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_BOUNDARY = b"servoir-bench-boundary"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


def upload(
    host: str, path: str, filename: str, content: bytes, *, copies: int = 1, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return the bytes of a POST of a picture (*copies* of it) as multipart/form-data, on a connection that is kept."""
    part = [
        b"--" + _BOUNDARY + b"\r\n",
        f'Content-Disposition: form-data; name="image"; filename="{filename}"\r\n'.encode(),
        b"Content-Type: image/jpeg\r\n\r\n",
        content,
        b"\r\n",
    ]
    body = b"".join([*part * copies, b"--" + _BOUNDARY + b"--\r\n"])
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines.append(f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}")
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
