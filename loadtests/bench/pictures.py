"""What is sent: photographs, and a body of an exact size."""

from __future__ import annotations

import random
import shutil
import zlib
from pathlib import Path

from PIL import Image

from demo import pictures as demo_pictures
from loadtests.bench.generator import Picture

_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0001108000800080301220002110103110100ffd9")
"""The smallest JPEG header that says 8 x 8 pixels; an echo model reads no pixels, so what follows may be anything."""
_WIDTHS = (640, 560, 480)


def photographs(source: Path | None, folder: Path) -> list[Picture]:
    """Return the JPEG files of *source*, copied into *folder*; without one, the demo's photographs in several sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    if source is None:
        for name in demo_pictures.NAMES:
            _write_sizes(demo_pictures.path(name), folder)
    else:
        for path in sorted(source.iterdir()):
            if path.suffix.lower() in (".jpg", ".jpeg"):
                shutil.copy(path, folder)
    return [Picture(str(path)) for path in sorted(folder.iterdir())]


def _write_sizes(source: Path, folder: Path) -> None:
    with Image.open(source) as image:
        for width in _WIDTHS:
            size = (width, image.height * width // image.width)
            image.convert("RGB").resize(size).save(folder / f"{source.stem}-{width}.jpg", quality=92)


def of_bytes(size: int, home: Path, *, seed: int = 1) -> Picture:
    """Return a body of *size* bytes that passes for a JPEG, with the checksum that an echo answers."""
    content = _JPEG + random.Random(seed).randbytes(size - len(_JPEG))
    path = home / f"body-{size}.jpg"
    path.write_bytes(content)
    return Picture(str(path), f'"{zlib.crc32(content):08x}"')
