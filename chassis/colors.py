"""One fixed colour for each label, the same in every answer, process and release."""

from __future__ import annotations

import colorsys
import zlib
from functools import lru_cache

_GOLDEN = 0.6180339887498949
_SHADES = ((1.0, 1.0), (0.65, 1.0), (1.0, 0.8))


@lru_cache(maxsize=4096)
def color_of(label: str) -> tuple[float, float, float]:
    """Return red, green and blue in 0..1 for *label*: a hue and a shade from its CRC-32."""
    number = zlib.crc32(label.encode())
    saturation, value = _SHADES[number % len(_SHADES)]
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1.0, saturation, value)
    return round(red, 4), round(green, 4), round(blue, 4)
