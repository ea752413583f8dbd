"""The EXIF orientation of a JPEG, read from its header without decoding, and how to apply one."""

from __future__ import annotations

import struct

import numpy as np

_ORIENTATION = 0x0112
_SHORT = 3
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def jpeg_orientation(payload: bytes) -> int:
    """Return the orientation 1..8 that a JPEG's APP1 segment says; 1 where it says none, or nonsense."""
    at = 2
    while at + 4 <= len(payload) and payload[at] == 0xFF:
        marker = payload[at + 1]
        if marker == 0xFF or marker in _NO_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xDA, 0xD9):
            break
        length = int.from_bytes(payload[at + 2 : at + 4], "big")
        if marker == 0xE1 and payload[at + 4 : at + 10] == b"Exif\x00\x00":
            return _tiff_orientation(payload[at + 10 : at + 2 + length])
        at += 2 + length
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, first)
        for entry in range(entries):
            tag, type_, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value if type_ == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return *pixels* [H,W,…] turned and mirrored as EXIF *orientation* 1..8 asks; contiguous, no copy for 1."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
