"""An answer before it is HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from flask import Response

JSON = "application/json"
_ENCODER = msgspec.json.Encoder()


class Reply(NamedTuple):
    """*headers* are those beside Content-Type and Content-Length, and those that every answer gets."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = {}

    def response(self) -> Response:
        """Return it as Flask's views do."""
        return Response(self.body, self.status, self.headers, content_type=self.content_type)


def json_reply(value: Any, status: int = 200) -> Reply:
    """Return *value* as JSON."""
    return Reply(_ENCODER.encode(value), status)
