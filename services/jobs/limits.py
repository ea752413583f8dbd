"""How much a job reads, whatever it is given."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Bytes of one picture, bytes that one archive may unpack to, and pictures of one job."""

    picture_bytes: int
    unpacked_bytes: int
    pictures: int
