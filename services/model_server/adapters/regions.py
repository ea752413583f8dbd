"""The answer of an image model as JSON: regions as VIA has them, in integer pixels of the image as sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from services.model_server.adapters.adapter import Frame

_ENCODER = msgspec.json.Encoder()
SCORE_DIGITS = 4


class RegionAttributes(msgspec.Struct, frozen=True):
    """What a region shows: its class's label, and a score from 0 to 1."""

    label: str
    score: float


class Rect(msgspec.Struct, frozen=True, tag_field="name", tag="rect"):
    """A rectangle: *x*, *y* is its upper left pixel."""

    x: int
    y: int
    width: int
    height: int


class Polygon(msgspec.Struct, frozen=True, tag_field="name", tag="polygon"):
    """A closed outline; the last point joins the first."""

    all_points_x: list[int]
    all_points_y: list[int]


class Polyline(msgspec.Struct, frozen=True, tag_field="name", tag="polyline"):
    """An open line."""

    all_points_x: list[int]
    all_points_y: list[int]


class Region(msgspec.Struct, frozen=True):
    """One thing that the model found."""

    region_attributes: RegionAttributes
    shape_attributes: Rect | Polygon | Polyline


def region(label: str, score: float, shape: Rect | Polygon | Polyline) -> Region:
    """Return a region with its *score* rounded to four digits."""
    return Region(RegionAttributes(label, round(float(score), SCORE_DIGITS)), shape)


def rect(edges: tuple[float, float, float, float], frame: Frame) -> Rect | None:
    """Return the rectangle between *edges* (left, top, right, bottom), rounded and clipped; None where none is left."""
    left, top, right, bottom = edges
    x0, x1 = round(min(max(left, 0.0), frame.width)), round(min(max(right, 0.0), frame.width))
    y0, y1 = round(min(max(top, 0.0), frame.height)), round(min(max(bottom, 0.0), frame.height))
    return Rect(x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None


def answer(frame: Frame, regions: Sequence[Region], **beside: Any) -> bytes:
    """Return the JSON of one item's answer; *beside* adds ``classes``, ``embedding`` and the like."""
    document = {
        "width": frame.width,
        "height": frame.height,
        "orientation_applied": frame.orientation_applied,
        "regions": regions,
        **beside,
    }
    return _ENCODER.encode(document)
