"""How much a job reads, whatever it is given, and how much clients may leave here for their jobs."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Bytes of one picture, that one archive may unpack to, of the disk that stay free; and pictures of one job."""

    picture_bytes: int
    unpacked_bytes: int
    free_bytes: int
    pictures: int


class UploadLimits(NamedTuple):
    """Bytes and files of one upload, bytes and uploads of one client, and bytes of the disk that stay free."""

    upload_bytes: int
    upload_files: int
    client_bytes: int
    client_uploads: int
    free_bytes: int


NO_UPLOADS = UploadLimits(0, 0, 0, 0, 0)
"""The limits of who only reads uploads."""
