"""Encoded bytes to upright RGB pixels, through libjpeg-turbo for JPEG and Pillow for the rest.

The same pixels as ``PIL.Image.open(…).convert("RGB")`` gives for JPEG, at half its time. What has an alpha channel is
laid over white; samples of 12 or 16 bits give their upper eight; of an animation or a document of many pages the first
picture is taken. The size is read from the header first, so that a small file which claims a huge picture costs
nothing. The interpreter's lock is free while pixels are decoded. Thread-safe.
"""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from chassis.errors import Undecodable
from services.model_server.images.exif import jpeg_orientation, upright
from services.model_server.images.kind import kind
from services.model_server.images.scans import check_scans
from services.model_server.images.tiff import decoded_size, upper_bytes

MAX_PIXELS = 50_000_000
_ORIENTATION = 0x0112
Image.MAX_IMAGE_PIXELS = None  # the limit is checked here, and is the same for every type
warnings.filterwarnings("ignore", module=r"PIL\.")  # damaged files are told to their senders, not to standard error
_ALPHA_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})


class Picture(NamedTuple):
    """An image as RGB.

    *pixels* is uint8 [H,W,3], contiguous and upright; it may be smaller than *width* x *height*, the image's own
    upright size, where a smaller decoding was asked for. *orientation* is EXIF's, 1..8.
    """

    pixels: np.ndarray
    width: int
    height: int
    orientation: int = 1


def decode(payload: bytes, *, max_pixels: int = MAX_PIXELS, at_least: tuple[int, int] | None = None) -> Picture:
    """Return the picture in *payload*.

    With *at_least* (height, width) a JPEG may be decoded at half its size or less (libjpeg has eighths), as long as no
    side of the upright result gets smaller than that. Raises UnsupportedMedia for other types than ``kind`` knows,
    Undecodable for a broken image, for one of more than *max_pixels* and for a JPEG of endless scans.
    """
    if kind(payload) == "JPEG":
        check_scans(payload)
        picture = _decode_jpeg(payload, max_pixels, at_least)
        if picture is not None:
            return picture
    return _decode_any(payload, max_pixels)


def _decode_jpeg(payload: bytes, max_pixels: int, at_least: tuple[int, int] | None) -> Picture | None:
    """Return the picture, or None where Pillow is to judge: CMYK, and whatever libjpeg complains of."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(payload)
        if colours in ("CMYK", "YCCK"):
            return None
        _check_size(width, height, max_pixels)
        orientation = jpeg_orientation(payload)
        turned = orientation >= 5
        floor_y, floor_x = (at_least[::-1] if turned else at_least) if at_least else (0, 0)
        scaling = {"min_height": floor_y, "min_width": floor_x, "min_factor": 2} if at_least else {}
        pixels = simplejpeg.decode_jpeg(payload, "RGB", **scaling)
    except ValueError:
        return None
    size = (height, width) if turned else (width, height)
    return Picture(upright(pixels, orientation), *size, orientation)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise Undecodable(f"the image has {width}x{height} pixels, more than the {max_pixels} allowed")


def _decode_any(payload: bytes, max_pixels: int) -> Picture:
    try:
        with Image.open(io.BytesIO(payload), formats=(kind(payload),)) as image:
            size = decoded_size(image) if isinstance(image, TiffImageFile) else image.size
            _check_size(*size, max_pixels)
            orientation = _orientation(image)
            pixels = _rgb(image)
    except (Undecodable, MemoryError):
        raise
    except Exception as error:  # hostile bytes bring out any exception in a decoder
        raise Undecodable(f"the {kind(payload)} image is broken or truncated") from error
    if image.format != "TIFF":  # which Pillow turns by itself
        pixels = upright(pixels, orientation)
    return Picture(pixels, pixels.shape[1], pixels.shape[0], orientation)


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the orientation 1..8 that EXIF says; 1 where it says none, or nonsense."""
    if image.format != "TIFF":  # which forgets its own once it is turned; a PNG may say it after its pixels
        image.load()
    try:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # hostile bytes here too, beside pixels that are good
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _rgb(image: ImageFile.ImageFile) -> np.ndarray:
    if image.mode.startswith("I;16"):
        grey = upper_bytes(image) if isinstance(image, TiffImageFile) else (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise Undecodable(f"the {image.format} image has 32-bit samples, which are not read here")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        over = image.convert("RGBA")
        white = Image.new("RGB", over.size, (255, 255, 255))
        white.paste(over, mask=over)
        return np.asarray(white)
    return np.asarray(image.convert("RGB"))
