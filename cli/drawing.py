"""Draws what was found onto the picture that it was found in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps


def draw(picture: Path, regions: list[dict[str, Any]], annotated: Path) -> None:
    """Write *picture* with its *regions* (as VIA has them) to the file *annotated*."""
    with Image.open(picture) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    pen = ImageDraw.Draw(image)
    width = max(2, min(image.size) // 200)
    font = ImageFont.load_default(size=max(12, min(image.size) // 30))
    for region in regions:
        attributes, shape = region["region_attributes"], region["shape_attributes"]
        color = _rgb(attributes.get("color", [1.0, 0.0, 0.0]))
        corner = _outline(pen, shape, color, width)
        _label(pen, corner, f"{attributes['label']} {attributes['score']:.2f}", color, font)
    annotated.parent.mkdir(parents=True, exist_ok=True)
    image.save(annotated)


def _rgb(color: list[float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in color)
    return red, green, blue


def _outline(
    pen: ImageDraw.ImageDraw, shape: dict[str, Any], color: tuple[int, int, int], width: int
) -> tuple[float, float]:
    """Draw one shape; return where its label goes."""
    if shape["name"] == "rect":
        x, y = shape["x"], shape["y"]
        pen.rectangle((x, y, x + shape["width"], y + shape["height"]), outline=color, width=width)
        return x, y
    points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
    pen.line(points if shape["name"] == "polyline" else [*points, points[0]], fill=color, width=width)
    return points[0]


def _label(
    pen: ImageDraw.ImageDraw, corner: tuple[float, float], text: str, color: tuple[int, int, int], font: Any
) -> None:
    left, top, right, bottom = pen.textbbox(corner, text, font=font)
    pen.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=color)
    luminance = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    pen.text(corner, text, fill="black" if luminance > 140 else "white", font=font)
