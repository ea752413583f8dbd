"""Uploads for background jobs, ``/api/vision/v3/uploads``: files sent one after the other, large ones in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

import msgspec
from flask import Blueprint, Response, g, request, url_for

from chassis.errors import BadRequest
from services.gateway.api_keys import caller
from services.gateway.asynchronous import moment
from services.gateway.background import whose
from services.gateway.models import json_response
from services.gateway.operations import BYTES, Query, operation
from services.gateway.parts import parts
from services.gateway.vision import V3
from services.jobs import client as jobs

v3 = Blueprint("uploads", __name__, url_prefix=f"{V3}/uploads")
_OFFSET = Query("offset", "Where this part begins: the bytes that the file has so far, 0 for a new one", "integer")


class UploadFile(msgspec.Struct):
    """A file of an upload; *size* is the bytes that it has so far."""

    name: str
    size: int


class UploadSession(msgspec.Struct):
    """An upload; a job names it as *source*.

    It goes at *expires*, a day after its last part, and later where a job that names it is not done by then.
    """

    id: str
    source: str
    location: str
    expires: datetime
    files: list[UploadFile]


class UploadSummary(msgspec.Struct):
    """An upload in short: how many files it has, and their bytes."""

    id: str
    location: str
    expires: datetime
    files: int
    size: int


class UploadSummaries(msgspec.Struct):
    """Uploads, oldest first."""

    uploads: list[UploadSummary]


@v3.get("")
@operation("Jobs", UploadSummaries)
def every_upload() -> Response:
    """List uploads, oldest first: one's own, an operator everybody's."""
    return json_response(UploadSummaries(list(_summaries(parts().uploads.of(whose())))))


@v3.post("")
@operation("Jobs", UploadSession, status=201, problems=(429, 503), located=True)
def create() -> Response:
    """Begin an upload of pictures, and zip or tar files of them."""
    told = _told(parts().uploads.create(caller().client_id))
    response = json_response(told, 201)
    response.headers["Location"] = told.location
    return response


@v3.get("/<id>")
@operation("Jobs", UploadSession, problems=(404,))
def show(id: str) -> Response:
    """Show an upload: which files it has, and how much of them."""
    return json_response(_told(_found(id)))


@v3.put("/<id>/files/<name>")
@operation("Jobs", UploadFile, problems=(404, 409, 503), takes=BYTES, query=(_OFFSET,))
def add(id: str, name: str) -> Response:
    """Send a file, or its next part. Where ``offset`` is not what it has so far, 409 says what it has."""
    text = request.args.get("offset", "0")
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("offset: a number of bytes")
    upload = _found(id)
    return json_response(UploadFile(name, parts().uploads.add(upload, name, int(text[:18]), g.exchange.body)))


@v3.delete("/<id>")
@operation("Jobs", UploadSession, problems=(404,))
def remove(id: str) -> Response:
    """End an upload: its files go. What a job has not read of them by then, it cannot read."""
    upload = _found(id)
    told = _told(upload)
    parts().uploads.remove(upload)
    return json_response(told)


def _found(id: str) -> jobs.Upload:
    return parts().uploads.upload(id, client_id=whose())


def _summaries(uploads: Iterable[jobs.Upload]) -> Iterator[UploadSummary]:
    for upload in uploads:
        location, used = url_for("uploads.show", id=upload.id), upload.used
        with suppress(FileNotFoundError):  # it has gone meanwhile
            yield UploadSummary(upload.id, location, moment(upload.expires_s), used.files, used.bytes)


def _told(upload: jobs.Upload) -> UploadSession:
    files = [UploadFile(name, size) for name, size in upload.sizes().items()]
    location = url_for("uploads.show", id=upload.id)
    return UploadSession(upload.id, jobs.UPLOAD + upload.id, location, moment(upload.expires_s), files)
