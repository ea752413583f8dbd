"""A picture with what is there and what was found drawn on it, as a small JPEG; a broken one raises BrokenPicture."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

from services.jobs.evaluation.confusion import at_threshold
from services.jobs.evaluation.detections import Answered, Found
from services.jobs.evaluation.labelled_set import Lanes, Picture
from services.jobs.evaluation.matching import Box, match
from services.jobs.evaluation.thresholds import FALLBACK
from services.jobs.images import upright

RIGHT, MISSED, EXTRA, CROWD = "#2fbf71", "#ffb703", "#ef476f", "#9aa5b1"
_SIDE, _QUALITY = 640, 82


def as_data_url(jpeg: bytes) -> str:
    """Return *jpeg* as a URL that holds it, for a page that needs no other file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def draw_things(picture: Picture, answer: Answered, thresholds: Mapping[str, float]) -> bytes:
    """Return the picture with what was found rightly, what was missed, and what is not there; crowds in grey."""
    image, scale = _opened(picture)
    pen = _Pen(image, scale)
    pairs = match(at_threshold(answer.found, thresholds, otherwise=FALLBACK), picture.truths)
    for truth in picture.truths:
        if truth.crowd:
            pen.box(truth.box, CROWD, "crowd: " + truth.label)
    for thing, _ in pairs.pairs:
        pen.thing(thing, RIGHT)
    for truth in pairs.missed:
        pen.box(truth.box, MISSED, truth.label)
    for thing in pairs.extra:
        pen.thing(thing, EXTRA)
    return _jpeg(image)


def draw_lanes(picture: Picture, answer: Answered) -> bytes:
    """Return the picture with its true lanes and the lines that were found."""
    image, scale = _opened(picture)
    pen = _Pen(image, scale)
    for points in _lane_points(picture.lanes):
        pen.line(points, RIGHT)
    for thing in answer.found:
        pen.line(thing.points, EXTRA)
    return _jpeg(image)


def draw_classes(picture: Picture, answer: Answered) -> bytes:
    """Return the picture with the right class and the first guesses."""
    image, scale = _opened(picture)
    pen = _Pen(image, scale)
    lines = [("is: " + ", ".join(picture.classes), RIGHT)]
    lines += [
        (f"{score:.2f} {label}", RIGHT if label in picture.classes else EXTRA) for label, score in answer.classes[:5]
    ]
    for at, (text, color) in enumerate(lines):
        pen.text((6, 6 + 18 * at), text, color)
    return _jpeg(image)


class _Pen:
    def __init__(self, image: Image.Image, scale: float) -> None:
        self._draw, self._scale = ImageDraw.Draw(image), scale
        self._font = ImageFont.load_default(11)

    def thing(self, thing: Found, color: str) -> None:
        if len(thing.points) >= 6:
            self.line((*thing.points, *thing.points[:2]), color)
        self.box(thing.box, color, f"{thing.label} {thing.score:.2f}", width=1 if thing.points else 2)

    def box(self, box: Box, color: str, text: str, *, width: int = 2) -> None:
        left, top, across, down = (edge * self._scale for edge in box)
        self._draw.rectangle((left, top, left + max(across, 1), top + max(down, 1)), outline=color, width=width)
        self.text((left, max(top - 14, 0)), text, color)

    def line(self, points: Sequence[float], color: str) -> None:
        scaled = [value * self._scale for value in points]
        self._draw.line(scaled, fill=color, width=3, joint="curve")

    def text(self, at: tuple[float, float], text: str, color: str) -> None:
        left, top, right, bottom = self._draw.textbbox(at, text, font=self._font)
        self._draw.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=color)
        self._draw.text(at, text, fill="#10151c", font=self._font)


def _opened(picture: Picture) -> tuple[Image.Image, float]:
    image = upright(picture.file)
    scale = min(1.0, _SIDE / max(image.size))
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.LANCZOS), scale


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _lane_points(lanes: Lanes | None) -> list[list[float]]:
    if lanes is None:
        return []
    return [
        [value for x, y in zip(lane, lanes.rows, strict=True) if x >= 0 for value in (x, y)]
        for lane in lanes.lanes
        if sum(x >= 0 for x in lane) >= 2
    ]
