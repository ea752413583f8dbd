"""Decoding, on small pictures of every kind; what is right is computed here, by other means."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chassis.errors import ServoirError, Undecodable, UnsupportedMedia
from services.model_server.images import Picture, decode

HEIGHT, WIDTH = 24, 40


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def smooth() -> np.ndarray:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([rows * 10, columns * 6, rows * 4 + columns * 3], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(pixels: np.ndarray, bits: int, colour: int) -> bytes:
    """Return a PNG written here, so that its 16 bits are ours."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = pixels.shape[:2]
    order = pixels.astype(">u2") if bits == 16 else pixels
    rows = b"".join(b"\x00" + order[row].tobytes() for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(content: bytes, tags: dict[int, int]) -> bytes:
    """Return a TIFF of grey written here: *content* is its one strip, or its one tile where *tags* say its size."""
    at, size = (324, 325) if 322 in tags else (273, 279)
    usual = {258: 8, 259: 1, 262: 1, 277: 1, at: 8, size: len(content)}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted((usual | tags).items())]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\x00" + struct.pack("<I", 8 + len(content)) + content + directory


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_what_is_stored_without_loss_comes_back_as_it_was(kind: str) -> None:
    pixels = noise(HEIGHT, WIDTH, 3)

    picture = decode(encoded(Image.fromarray(pixels), kind))

    assert (picture.width, picture.height, picture.orientation) == (WIDTH, HEIGHT, 1)
    assert picture.pixels.flags.c_contiguous
    np.testing.assert_array_equal(picture.pixels, pixels)


def test_webp_without_loss_comes_back_as_it_was() -> None:
    pixels = noise(HEIGHT, WIDTH, 3)

    np.testing.assert_array_equal(decode(encoded(Image.fromarray(pixels), "WEBP", lossless=True)).pixels, pixels)


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 30}, {"subsampling": 0}, {"subsampling": 2}, {"progressive": True}, {"optimize": True}],
    ids=str,
)
def test_a_jpeg_is_bit_for_bit_what_pillow_gives(options: dict[str, Any]) -> None:
    payload = encoded(Image.fromarray(noise(97, 61, 3)), "JPEG", **options)

    with Image.open(io.BytesIO(payload)) as image:
        np.testing.assert_array_equal(decode(payload).pixels, np.asarray(image.convert("RGB")))


def test_greyscale_becomes_three_equal_channels() -> None:
    pixels = noise(HEIGHT, WIDTH)

    for kind in ("PNG", "TIFF", "BMP"):
        np.testing.assert_array_equal(
            decode(encoded(Image.fromarray(pixels), kind)).pixels, np.stack([pixels] * 3, axis=-1)
        )
    jpeg = decode(encoded(Image.fromarray(smooth()[:, :, 0]), "JPEG")).pixels
    np.testing.assert_array_equal(jpeg[:, :, 0], jpeg[:, :, 2])
    np.testing.assert_allclose(jpeg[:, :, 0], smooth()[:, :, 0], atol=6)


def test_black_and_white_is_0_and_255() -> None:
    pixels = noise(HEIGHT, WIDTH) > 127

    picture = decode(encoded(Image.fromarray(pixels), "PNG"))

    np.testing.assert_array_equal(picture.pixels[:, :, 1], np.where(pixels, 255, 0))


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3)])
def test_sixteen_bits_give_their_upper_eight(colour: int, channels: int) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (HEIGHT, WIDTH, channels), np.uint16)

    picture = decode(png(deep, 16, colour))

    np.testing.assert_array_equal(picture.pixels, np.broadcast_to(deep >> 8, (HEIGHT, WIDTH, 3)))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("bits", "white_is_zero"), [(12, False), (16, False), (16, True)])
def test_a_grey_tiff_gives_the_upper_eight_of_its_bits(bits: int, white_is_zero: bool, compressed: bool) -> None:
    deep = np.random.default_rng(3).integers(0, 2**bits, (HEIGHT, WIDTH), np.uint16)
    low = deep.astype("<u2").tobytes()
    if bits == 12:  # two samples in three bytes, the first bits first
        left, right = deep[:, ::2], deep[:, 1::2]
        low = np.stack([left >> 4, (left & 15) << 4 | right >> 8, right & 255], axis=-1).astype(np.uint8).tobytes()
    shade = (deep >> bits - 8).astype(np.uint8)
    tags = {256: WIDTH, 257: HEIGHT, 258: bits, 259: 8 if compressed else 1, 262: 0 if white_is_zero else 1}

    picture = decode(tiff(zlib.compress(low) if compressed else low, tags))

    expected = 255 - shade if white_is_zero else shade
    np.testing.assert_array_equal(picture.pixels, np.stack([expected] * 3, axis=-1))


def test_an_alpha_channel_is_laid_over_white() -> None:
    pixels = noise(HEIGHT, WIDTH, 4)
    share = pixels[:, :, 3:].astype(np.float64) / 255
    expected = pixels[:, :, :3] * share + 255 * (1 - share)

    for payload in (encoded(Image.fromarray(pixels), "PNG"), encoded(Image.fromarray(pixels), "TIFF")):
        np.testing.assert_allclose(decode(payload).pixels, expected, atol=1)


def test_a_palette_gives_its_colours_and_its_clear_entry_white() -> None:
    image = Image.fromarray(noise(HEIGHT, WIDTH) % 4).convert("P")
    indices = noise(HEIGHT, WIDTH) % 4
    image = Image.fromarray(indices, "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [100, 110, 120]])

    np.testing.assert_array_equal(decode(encoded(image, "PNG")).pixels, colours[indices])
    colours[2] = 255
    np.testing.assert_array_equal(decode(encoded(image, "PNG", transparency=2)).pixels, colours[indices])


def test_a_cmyk_jpeg_has_its_colours_not_their_negative() -> None:
    payload = encoded(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95)

    np.testing.assert_allclose(decode(payload).pixels, smooth(), atol=12)


def test_an_animation_gives_its_first_frame() -> None:
    red, blue = Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0)), Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 255))

    for kind in ("GIF", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        picture = decode(encoded(red, kind, save_all=True, append_images=[blue], **options))
        np.testing.assert_array_equal(picture.pixels, np.asarray(red))


# -- orientation -------------------------------------------------------------------------------------

UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: np.fliplr(stored),
    3: lambda stored: np.rot90(stored, 2),
    4: lambda stored: np.flipud(stored),
    5: lambda stored: np.rot90(np.fliplr(stored)),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(np.fliplr(stored), -1),
    8: lambda stored: np.rot90(stored),
}


def oriented(kind: str, orientation: int) -> bytes:
    image = Image.fromarray(smooth())
    exif = image.getexif()
    exif[0x0112] = orientation
    return encoded(image, kind, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_and_said(kind: str, orientation: int) -> None:
    plain = decode(oriented(kind, 1)).pixels

    picture = decode(oriented(kind, orientation))

    assert picture.orientation == orientation
    assert picture.pixels.shape[:2] == (picture.height, picture.width)
    np.testing.assert_array_equal(picture.pixels, UPRIGHT[orientation](plain))


def test_an_orientation_that_is_none_counts_as_upright() -> None:
    for number in (0, 9, 700):
        assert decode(oriented("JPEG", number)).orientation == 1


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\x00\x00nonsense", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00"])
def test_nonsense_in_exif_costs_no_good_picture(kind: str, exif: bytes) -> None:
    plain = encoded(Image.fromarray(smooth()), kind)

    picture = decode(encoded(Image.fromarray(smooth()), kind, exif=exif))

    assert picture.orientation == 1
    np.testing.assert_array_equal(picture.pixels, decode(plain).pixels)


# -- scaled decoding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_smaller_but_no_side_under_what_is_asked(orientation: int) -> None:
    image = Image.fromarray(np.repeat(np.repeat(smooth(), 20, axis=0), 20, axis=1))
    exif = image.getexif()
    exif[0x0112] = orientation
    payload = encoded(image, "JPEG", exif=exif)
    whole = decode(payload)

    small = decode(payload, at_least=(100, 120))

    assert (small.width, small.height) == (whole.width, whole.height)
    assert small.pixels.shape[0] >= 100
    assert small.pixels.shape[1] >= 120
    assert small.pixels.size <= whole.pixels.size / 4
    ratio = whole.height / small.pixels.shape[0]
    assert ratio == pytest.approx(whole.width / small.pixels.shape[1], rel=0.02)
    middle = small.pixels[small.pixels.shape[0] // 2, small.pixels.shape[1] // 2].astype(int)
    np.testing.assert_allclose(middle, whole.pixels[whole.height // 2, whole.width // 2], atol=12)


def test_a_small_jpeg_is_decoded_in_full_whatever_is_asked() -> None:
    payload = encoded(Image.fromarray(smooth()), "JPEG")

    assert decode(payload, at_least=(20, 20)).pixels.shape == (HEIGHT, WIDTH, 3)


# -- what is no good ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n",
        b"\x00" * 64,
        b"RIFF\x00\x00\x00\x00WAVE",
    ],
)
def test_what_is_no_image_of_a_known_type_is_unsupported(payload: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        decode(payload)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_truncated_image_is_undecodable_at_any_length(kind: str) -> None:
    payload = encoded(Image.fromarray(noise(64, 64, 3)), kind)

    for share in (0.1, 0.5, 0.8):
        with pytest.raises(Undecodable):
            decode(payload[: max(12, int(len(payload) * share))])


def test_too_many_pixels_are_refused_by_the_header_alone() -> None:
    bomb = png(np.zeros((1, 1), np.uint8), 8, 0)
    bomb = bomb[:16] + struct.pack(">II", 60_000, 60_000) + bomb[24:]
    header = bomb[12:29]
    bomb = bomb[:29] + struct.pack(">I", zlib.crc32(header)) + bomb[33:]

    with pytest.raises(Undecodable, match="60000x60000"):
        decode(bomb)
    jpeg = encoded(Image.fromarray(smooth()), "JPEG")
    with pytest.raises(Undecodable, match="more than the 100 allowed"):
        decode(jpeg, max_pixels=100)


def test_a_tile_of_too_many_pixels_is_refused_however_small_the_picture() -> None:
    tile = zlib.compress(bytes(512 * 512))
    tags = {256: 1, 257: 1, 259: 8, 322: 512, 323: 512}
    assert decode(tiff(tile, tags)).pixels.shape == (1, 1, 3)

    with pytest.raises(Undecodable, match="512x512"):
        decode(tiff(tile, tags), max_pixels=1000)


def test_a_jpeg_that_repeats_its_scans_without_end_is_refused() -> None:
    payload = encoded(Image.fromarray(smooth()), "JPEG", progressive=True)
    last = payload[payload.rindex(b"\xff\xda") : -2]
    hidden = b"\xff\xfe\x00\x04\xff\xd9"  # a comment that holds the marker of the end

    for between in (b"", hidden):
        for filling in (b"", b"\xff", b"\xff\x02\xff\xff"):
            with pytest.raises(Undecodable, match="scans"):
                decode(payload[:-2] + (between + filling + last) * 100 + payload[-2:])


@pytest.mark.parametrize("progressive", [False, True])
def test_what_looks_like_scans_in_a_thumbnail_or_after_the_end_is_none(progressive: bool) -> None:
    payload = encoded(Image.fromarray(smooth()), "JPEG", progressive=progressive)
    thumbnail = b"\xff\xe2\x04\x02" + b"\xff\xda" * 512

    picture = decode(payload[:2] + thumbnail + payload[2:] + b"\xff\xda\x00\x02" * 1000)

    np.testing.assert_array_equal(picture.pixels, decode(payload).pixels)


def test_a_jpeg_that_libjpeg_merely_grumbles_about_is_read_as_pillow_reads_it() -> None:
    payload = encoded(Image.fromarray(smooth()), "JPEG")
    garbage = payload[:20] + b"\x00\x00" + payload[20:]
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(garbage)

    np.testing.assert_array_equal(decode(garbage).pixels, decode(payload).pixels)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8),
)
def test_damaged_images_are_read_or_refused_and_nothing_else(kind: str, damages: list[tuple[int, int]]) -> None:
    payload = bytearray(encoded(Image.fromarray(noise(32, 32, 3)), kind))
    for at, value in damages:
        payload[at % len(payload)] = value

    try:
        picture = decode(bytes(payload), max_pixels=100_000)
    except ServoirError as error:
        assert error.status in (415, 422)
    else:
        assert isinstance(picture, Picture)
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.ndim == 3
