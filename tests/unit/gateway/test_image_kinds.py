"""What an upload is, by its first bytes."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chassis.errors import Undecodable, UnsupportedMedia
from services.gateway.image_kinds import image_kind
from tests.steps import steps

MOST = 10_000_000


def encoded(format: str, size: tuple[int, int] = (37, 21), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "navy").save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("JPEG", encoded("JPEG")),
        ("JPEG", encoded("JPEG", progressive=True)),
        ("JPEG", encoded("JPEG", exif=b"Exif\0\0" + bytes(60_000))),
        ("PNG", encoded("PNG")),
        ("WebP", encoded("WEBP")),
        ("WebP", encoded("WEBP", lossless=True)),
        ("WebP", encoded("WEBP", exif=b"Exif\0\0MM\0*")),
        ("BMP", encoded("BMP")),
        ("GIF", encoded("GIF")),
        ("TIFF", encoded("TIFF")),
        ("TIFF", encoded("TIFF", compression="tiff_lzw")),
    ],
)
def test_each_accepted_kind_is_known_with_its_size(name: str, data: bytes) -> None:
    assert image_kind(memoryview(data), max_pixels=MOST) == (name, 37, 21)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"hello, world", b"%PDF-1.7\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"RIFF\0\0\0\0WAVEfmt ",
     b"\x1f\x8b\x08\0", b"PK\x03\x04", b"\0\0\0\x20ftypheic", bytes(100)],
)  # fmt: skip
def test_anything_else_is_no_image(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        image_kind(data, max_pixels=MOST)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_header_that_ends_early_is_a_broken_image(format: str) -> None:
    with pytest.raises(Undecodable):
        image_kind(encoded(format)[: 14 if format == "WEBP" else 9], max_pixels=MOST)


def test_a_jpeg_without_a_frame_is_a_broken_image() -> None:
    with pytest.raises(Undecodable):
        image_kind(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9\0\0\0", max_pixels=MOST)


FRAME = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 21, 37)


@pytest.mark.parametrize("before", [b"\xff" * 2**20, b"\xff\xfe\0\2" * 1000, b"\xff\xd0" * 1000])
def test_padding_and_hundreds_of_segments_may_come_before_the_frame_of_a_jpeg(before: bytes) -> None:
    assert image_kind(b"\xff\xd8" + before + FRAME, max_pixels=MOST) == ("JPEG", 37, 21)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 2**20,
        b"\xff\xd8" + b"\xff\xfe\0\2" * 2**17 + FRAME,
        b"\xff\xd8" + b"\xff\xff\xd0" * 2**17 + FRAME,
        b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 2**16),
    ],
)
def test_a_size_that_is_nowhere_near_the_start_is_not_looked_for(data: bytes) -> None:
    def refused() -> None:
        with pytest.raises(Undecodable):
            image_kind(data, max_pixels=MOST)

    assert steps(refused) < 10_000


def test_more_pixels_than_allowed_are_refused_by_the_header_alone() -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 60_000, 60_000) + bytes(20)

    with pytest.raises(Undecodable, match="60000 x 60000 pixels"):
        image_kind(bomb, max_pixels=50_000_000)


def test_no_pixels_are_refused() -> None:
    with pytest.raises(Undecodable, match="0 x 5"):
        image_kind(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 0, 5), max_pixels=MOST)


STARTS = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF____WEBPVP8X", b"BM", b"GIF89a", b"II*\0\x08\0\0\0", b"MM\0*"]


@given(st.sampled_from(STARTS), st.binary(max_size=200))
def test_hostile_bytes_give_an_answer_or_one_of_two_errors(start: bytes, rest: bytes) -> None:
    try:
        kind = image_kind(start + rest, max_pixels=MOST)
    except (UnsupportedMedia, Undecodable):
        return
    assert 0 < kind.width * kind.height <= MOST
