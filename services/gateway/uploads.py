"""The body of a prediction request: its parts, and its images with what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.errors import BadRequest, ServoirError, TooLarge
from services.gateway.image_kinds import image_kind
from services.gateway.multipart import Part, boundary_of, parts_of
from services.gateway.settings import Settings

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


def read_form(environ: Mapping[str, Any], body: bytes | bytearray, settings: Settings) -> Form:
    """Return the images (parts named ``image``) and fields of a request; an unusable image carries its error."""
    boundary = boundary_of(environ.get("CONTENT_TYPE", ""))
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
