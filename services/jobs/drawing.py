"""Draws what was found onto the picture that it was found in."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Protocol

from PIL import ImageDraw, ImageFont

from chassis.colors import color_of
from services.jobs.images import upright

_QUALITY = 88
Color = tuple[int, int, int]


class Drawable(Protocol):
    """A region as VIA has it."""

    region_attributes: dict[str, Any]
    shape_attributes: dict[str, Any]


def drawn(picture: bytes, regions: Iterable[Drawable]) -> bytes:
    """Return *picture* with its *regions* as a JPEG, turned as its EXIF orientation says; raises BrokenPicture."""
    image = upright(io.BytesIO(picture))
    pen = ImageDraw.Draw(image)
    width = max(2, min(image.size) // 200)
    font = ImageFont.load_default(size=max(12, min(image.size) // 30))
    for region in regions:
        label, score = str(region.region_attributes.get("label", "")), region.region_attributes.get("score")
        color = _rgb(label)
        corner = _outline(pen, region.shape_attributes, color, width)
        _write(pen, corner, f"{label} {score:.2f}" if score is not None else label, color, font)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _rgb(label: str) -> Color:
    red, green, blue = (round(255 * part) for part in color_of(label))
    return red, green, blue


def _outline(pen: ImageDraw.ImageDraw, shape: dict[str, Any], color: Color, width: int) -> tuple[float, float]:
    """Draw one shape; return where its label goes."""
    if shape["name"] == "rect":
        x, y = shape["x"], shape["y"]
        pen.rectangle((x, y, x + max(0, shape["width"]), y + max(0, shape["height"])), outline=color, width=width)
        return x, y
    points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
    pen.line(points if shape["name"] == "polyline" else [*points, *points[:1]], fill=color, width=width)
    return points[0] if points else (0, 0)


def _write(pen: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, color: Color, font: Any) -> None:
    left, top, right, bottom = pen.textbbox(corner, text, font=font)
    pen.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=color)
    luminance = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    pen.text(corner, text, fill="black" if luminance > 140 else "white", font=font)
