"""What an upload is by its first bytes: the kind of image and its size in pixels, without decoding it.

The gateway refuses here what no model server could use, before it costs a place in a queue. What passes may still
be broken further in: its decoder, in the model server, has the last word.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from chassis.errors import Undecodable, UnsupportedMedia

ACCEPTED = "JPEG, PNG, WebP, BMP, GIF or TIFF"
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # in the range of SOF markers, but none
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # JPEG markers without a length
_PADDING = re.compile(rb"\xff+").match
_MOST_SEGMENTS = 1024  # before a JPEG's frame: 64 MiB of profiles and thumbnails
_MOST_ENTRIES = 1024  # of a TIFF's directory

Content = bytes | memoryview


class ImageKind(NamedTuple):
    """The type of an image and its size in pixels, before any EXIF orientation."""

    name: str
    width: int
    height: int


def _jpeg(data: Content) -> tuple[int, int]:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF and (padding := _PADDING(data, at)):
            at = padding.end() - 1
        elif marker in _ALONE:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
    raise ValueError("no frame header")


def _png(data: Content) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: Content) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _bmp(data: Content) -> tuple[int, int]:
    short = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if short else "<ii", data, 18)
    return width, abs(height)


def _webp(data: Content) -> tuple[int, int]:
    chunk = bytes(data[12:16])
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff(data: Content) -> tuple[int, int]:
    order = "<" if data[0] == 0x49 else ">"
    directory = struct.unpack_from(order + "I", data, 4)[0]
    sizes: dict[int, int] = {}
    for entry in range(min(_MOST_ENTRIES, struct.unpack_from(order + "H", data, directory)[0])):
        tag, kind = struct.unpack_from(order + "HH", data, directory + 2 + 12 * entry)
        if tag in (256, 257):
            sizes[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, directory + 10 + 12 * entry)[0]
    return sizes[256], sizes[257]


_READERS = (
    (b"\xff\xd8\xff", "JPEG", _jpeg),
    (b"\x89PNG\r\n\x1a\n", "PNG", _png),
    (b"RIFF", "WebP", _webp),
    (b"BM", "BMP", _bmp),
    (b"GIF8", "GIF", _gif),
    (b"II*\x00", "TIFF", _tiff),
    (b"MM\x00*", "TIFF", _tiff),
)


def _reader(head: bytes) -> tuple[str, Callable[[Content], tuple[int, int]]]:
    for magic, name, size_of in _READERS:
        if head.startswith(magic) and (name != "WebP" or head[8:12] == b"WEBP"):
            return name, size_of
    raise UnsupportedMedia(f"not an image of a type that is read here: {ACCEPTED}, by content")


def image_kind(data: Content, *, max_pixels: int) -> ImageKind:
    """Return what *data* is; UnsupportedMedia for no image, Undecodable for one without a usable size."""
    name, size_of = _reader(bytes(data[:12]))
    try:
        width, height = size_of(data)
    except (struct.error, IndexError, KeyError, ValueError):
        raise Undecodable(f"a broken {name}: its header does not say its size") from None
    if width < 1 or height < 1:
        raise Undecodable(f"a {name} of {width} x {height} pixels")
    if width * height > max_pixels:
        raise Undecodable(f"{width} x {height} pixels are more than the {max_pixels} that are allowed")
    return ImageKind(name, width, height)
