"""Asks a Redis or Valkey of the operator's own what `servoir doctor` wants to know, over its plain protocol.

Only the queue knows the client library; a few words over a socket are enough here. TLS (``rediss://``) is not spoken.
"""

from __future__ import annotations

import io
import socket
from urllib.parse import unquote, urlsplit

_TIMEOUT_S = 3.0
_PORT = 6379


class NoAnswer(Exception):
    """It is away, refuses, or speaks something else; the text says which."""


def ask(url: str, *words: str) -> list[str]:
    """Return the answer to the command *words*, as a flat list of texts; raises NoAnswer."""
    parts = urlsplit(url)
    if parts.scheme != "redis":
        raise NoAnswer(f"{parts.scheme}:// cannot be examined from here")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or _PORT), _TIMEOUT_S) as connection:
            stream = connection.makefile("rwb")
            if parts.password:
                _call(stream, "AUTH", *filter(None, (parts.username, unquote(parts.password))))
            return _call(stream, *words)
    except OSError as error:
        raise NoAnswer(f"{parts.hostname}:{parts.port or _PORT} does not answer ({error})") from error


def _call(stream: io.BufferedRWPair, *words: str) -> list[str]:
    encoded = [word.encode() for word in words]
    stream.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
    stream.flush()
    return _read(stream)


def _read(stream: io.BufferedRWPair) -> list[str]:
    line = stream.readline().decode().strip()
    kind, rest = line[:1], line[1:]
    if kind == "*":
        return [text for _ in range(int(rest)) for text in _read(stream)]
    if kind == "$":
        return [stream.read(int(rest) + 2)[:-2].decode()]
    if kind in ("+", ":"):
        return [rest]
    raise NoAnswer(rest or "the connection was closed")
