"""What Pillow leaves to others of a TIFF: tiles larger than the picture, and grey of more than 8 bits."""

from __future__ import annotations

import numpy as np
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    TILELENGTH,
    TILEWIDTH,
    TiffImageFile,
)

_WHITE_IS_ZERO = 0


def decoded_size(image: TiffImageFile) -> tuple[int, int]:
    """Return width and height of what decoding takes: tiles come whole, also those that reach beyond the picture."""
    tags = image.tag_v2
    width, height = max(tags[IMAGEWIDTH], tags.get(TILEWIDTH, 0)), max(tags[IMAGELENGTH], tags.get(TILELENGTH, 0))
    return width, height


def upper_bytes(image: TiffImageFile) -> np.ndarray:
    """Return the upper eight bits of grey samples of 12 or 16 as uint8 [H,W], 0 for black."""
    bits = image.tag_v2[BITSPERSAMPLE][0]
    grey = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
    white_is_zero = image.tag_v2.get(PHOTOMETRIC_INTERPRETATION, _WHITE_IS_ZERO) == _WHITE_IS_ZERO
    return np.asarray(255 - grey if white_is_zero else grey)
