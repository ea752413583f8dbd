"""Pictures opened with Pillow: whatever it raises for a broken one is one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image, ImageOps

_BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


class BrokenPicture(Exception):
    """The picture cannot be read here."""


@contextmanager
def opened(file: Path | IO[bytes]) -> Iterator[Image.Image]:
    """Open a picture, of which only the head is read at once; raises BrokenPicture, also where more of it is read."""
    try:
        with Image.open(file) as image:
            yield image
    except _BROKEN as error:
        raise BrokenPicture(str(error)) from error


def upright(file: Path | IO[bytes]) -> Image.Image:
    """Return a whole picture in colours, turned as its EXIF orientation says; raises BrokenPicture."""
    with opened(file) as image:
        return ImageOps.exif_transpose(image).convert("RGB")
