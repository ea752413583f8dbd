"""The body of a prediction request, read within bounds: bytes while they arrive, time, parts and images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import Request
from werkzeug.exceptions import RequestTimeout

from chassis.errors import BadRequest, ServoirError, TooLarge, UnsupportedMedia
from services.gateway.image_kinds import image_kind
from services.gateway.multipart import Part, boundary_of, parts_of
from services.gateway.settings import Settings
from services.gateway.upload_clock import UploadClock

_STEP_BYTES = 2**20
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Upload:
    """One image as it was sent, under a name of its own within the request; *error* says what is wrong with it."""

    key: str
    filename: str
    content: memoryview
    error: ServoirError | None = None


@dataclass(frozen=True)
class Form:
    """The images and the plain fields of one request."""

    images: list[Upload]
    fields: dict[str, str]


def read_body(request: Request, clock: UploadClock, *, max_bytes: int) -> bytes | bytearray:
    """Return the whole body; TooLarge as soon as it goes over *max_bytes*, 408 when it takes too long.

    BadRequest for a body that ends before its Content-Length, UnsupportedMedia for a compressed one: nothing is
    ever unpacked here, so nothing can swell.
    """
    if request.environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMedia("send the body as it is, without Content-Encoding")
    length = request.content_length
    if length is not None and length > max_bytes:
        raise TooLarge(f"the body has {length} bytes; {max_bytes} is the limit")
    stream, connection = request.environ["wsgi.input"], request.environ.get("gunicorn.socket")
    if connection is None:
        return _read(stream, length, max_bytes)
    clock.watch(connection)
    try:
        return _read(stream, length, max_bytes)
    finally:
        if not clock.forget(connection):
            raise RequestTimeout


def _read(stream: Any, length: int | None, max_bytes: int) -> bytes | bytearray:
    expected = max_bytes + 1 if length is None else length
    body: bytes | bytearray = stream.read(min(expected, _STEP_BYTES))
    if len(body) == _STEP_BYTES:  # in steps: a reader that is asked for all at once holds it twice
        body = bytearray(body)
        while len(body) < expected and (more := stream.read(min(expected - len(body), _STEP_BYTES))):
            body += more
    if len(body) > max_bytes:
        raise TooLarge(f"the body has more than the {max_bytes} bytes that are allowed")
    if length is not None and len(body) < length:
        raise BadRequest("the body ends before its Content-Length")
    return body


def read_form(request: Request, clock: UploadClock, settings: Settings) -> Form:
    """Return the images (parts named ``image``) and fields of *request*; an unusable image carries its error."""
    boundary = boundary_of(request.environ.get("CONTENT_TYPE", ""))
    body = read_body(request, clock, max_bytes=settings.max_upload_bytes)
    parts = parts_of(body, boundary, max_parts=settings.max_parts)
    files = [part for part in parts if part.name == "image"]
    if not files:
        raise BadRequest("no file part named image")
    if len(files) > settings.max_images:
        raise TooLarge(f"{len(files)} images in one request; {settings.max_images} is the limit")
    fields = {part.name: bytes(part.content[:1024]).decode("utf-8", "replace") for part in parts if not part.filename}
    return Form(_uploads(files, max_pixels=settings.max_pixels), fields)


def _uploads(files: list[Part], *, max_pixels: int) -> list[Upload]:
    uploads: dict[str, Upload] = {}
    for part in files:
        filename = safe_name(part.filename or "image")
        key = free_key(filename, uploads)
        error: ServoirError | None = None
        try:
            image_kind(part.content, max_pixels=max_pixels)
        except ServoirError as found:
            error = found
        uploads[key] = Upload(key, filename, part.content, error)
    return list(uploads.values())


def safe_name(filename: str) -> str:
    """Return the last component of a sender's file name without control characters, at most 255 characters."""
    name = _UNSAFE.sub("", filename.replace("\\", "/").rpartition("/")[2])[:255]
    return name if name.strip(". ") else "image"


def free_key(filename: str, taken: dict[str, Upload]) -> str:
    """Return *filename*, with ``-2``, ``-3`` … before its extension where it is *taken*."""
    stem, dot, extension = filename.rpartition(".")
    stem, suffix = (stem, dot + extension) if stem else (filename, "")
    key, count = filename, 1
    while key in taken:
        count += 1
        key = f"{stem}-{count}{suffix}"
    return key
