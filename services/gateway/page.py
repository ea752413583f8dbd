"""The page at ``/``, where a person tries a model; its files are held in memory and need nothing from outside."""

from __future__ import annotations

import zlib
from mimetypes import guess_type
from pathlib import Path
from typing import NamedTuple

from flask import Blueprint, Response, request

from chassis.errors import NotFound

blueprint = Blueprint("page", __name__)
_FOLDER = Path(__file__).parent / "static"
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked each time, and answered 304
}


class _File(NamedTuple):
    content: bytes
    mimetype: str
    etag: str


def _read(path: Path) -> _File:
    content = path.read_bytes()
    kind = "text/javascript" if path.suffix == ".js" else guess_type(path.name)[0]
    return _File(content, kind or "application/octet-stream", f"{zlib.crc32(content):08x}")


_FILES = {path.name: _read(path) for path in sorted(_FOLDER.iterdir())}


@blueprint.get("/")
def page() -> Response:
    """Show the page."""
    return file("index.html")


@blueprint.get("/docs")
def docs() -> Response:
    """Show the API's description to read."""
    return file("docs.html")


@blueprint.get("/static/<name>")
def file(name: str) -> Response:
    """Send one of the page's files; there are no others, whatever the name says."""
    if name not in _FILES:
        raise NotFound("no such file")
    found = _FILES[name]
    response = Response(found.content, mimetype=found.mimetype, headers=_POLICY)
    response.set_etag(found.etag)
    response.make_conditional(request)
    return response
