"""How the tests of the gateway send pictures."""

from __future__ import annotations

import io
from typing import Any

from werkzeug.test import Client, TestResponse

from tests.fakes_gateway import png

V3, V2 = "/api/vision/v3", "/api/vision/v2"


def post(
    client: Client, path: str, *images: tuple[str, bytes], headers: dict[str, str] | None = None, **fields: Any
) -> TestResponse:
    """Post *images* (name, bytes) to *path*; one good one where none are given."""
    files = [(io.BytesIO(content), name) for name, content in images or (("street.png", png()),)]
    return client.post(path, data={"image": files, **fields}, headers=headers or {})
