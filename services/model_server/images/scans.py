"""How many scans a JPEG has, counted without decoding.

Each scan goes over the whole picture and may cost a dozen bytes, so a file of 20 MB could take half an hour. Encoders
write 10 for a progressive picture, 18 for CMYK, and optimizers some 30; libtiff draws the line at 100.
"""

from __future__ import annotations

import re

from chassis.errors import Undecodable

_MOST_SCANS = 64
_SCAN, _END = 0xDA, 0xD9
_SEGMENT = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
"""A marker with a length, or the end. RSTn has none, nor has what is reserved, which libjpeg takes for damage."""


def check_scans(payload: bytes) -> None:
    """Raise Undecodable for a JPEG of more scans than a picture has use for."""
    # The bytes of a scan's marker may also stand by chance in a thumbnail, or in a film after the picture's end.
    if payload.count(b"\xff\xda") > _MOST_SCANS and _scans(payload) > _MOST_SCANS:
        raise Undecodable(f"the JPEG image has more than {_MOST_SCANS} scans")


def _scans(payload: bytes) -> int:
    scans, at = 0, 2
    while (segment := _SEGMENT.search(payload, at)) and (marker := segment[1][0]) != _END:
        scans += marker == _SCAN
        at = segment.end() + int.from_bytes(payload[segment.end() : segment.end() + 2], "big")
    return scans
