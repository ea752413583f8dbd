"""A labelled set in the one form that everything here works with, whatever files it was read from. Pure.

Coordinates are in pixels of a picture as people see it: after its EXIF orientation was applied.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chassis.errors import BadRequest

_MOST_FAULTS = 20


class Truth(msgspec.Struct, frozen=True):
    """One thing in a picture: *box* is left, top, width, height.

    *polygons* are flat lists x, y, x, y …, together one thing; *rle* is COCO's run-length mask. A *crowd* may be found
    any number of times, or not at all. *area* in pixels says how large the thing is.
    """

    label: str
    box: tuple[float, float, float, float]
    area: float
    polygons: tuple[tuple[float, ...], ...] = ()
    rle: dict[str, object] | None = None
    crowd: bool = False


class Lanes(msgspec.Struct, frozen=True):
    """The lanes of a picture as TuSimple has them: for each lane, the x at each of *rows* (y), -2 where it has none."""

    rows: tuple[float, ...]
    lanes: tuple[tuple[float, ...], ...]


class Picture(msgspec.Struct, frozen=True):
    """One picture: *file*, its size in pixels, and its truth: things, *classes* of the whole picture, or lanes."""

    name: str
    file: Path
    width: int
    height: int
    truths: tuple[Truth, ...] = ()
    classes: tuple[str, ...] = ()
    lanes: Lanes | None = None


class LabelledSet(msgspec.Struct, frozen=True):
    """Pictures, and all *labels* there are, in the set's own order; also those that no picture shows."""

    name: str
    format: str
    labels: tuple[str, ...]
    pictures: tuple[Picture, ...]
    sha256: str = ""

    @property
    def objects(self) -> int:
        """How many things there are, crowds left out."""
        return sum(not truth.crowd for picture in self.pictures for truth in picture.truths)


class Faults:
    """Collects what is wrong with a set's files, so that all of it is said at once."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._more = 0

    def add(self, where: str, what: str) -> None:
        """Note a fault: *where* names the file and the place in it."""
        if len(self._told) < _MOST_FAULTS:
            self._told.append(f"{where}: {what}")
        else:
            self._more += 1

    def check(self) -> None:
        """Raise BadRequest naming the faults, if there are any."""
        if self._told:
            more = f"; and {self._more} more" if self._more else ""
            raise BadRequest("bad annotations: " + "; ".join(self._told) + more)


def box_fault(box: tuple[float, float, float, float], width: int, height: int, *, slack: float = 2.0) -> str:
    """Say what is wrong with a box (left, top, width, height) in a picture; *slack* pixels outside are let pass."""
    left, top, across, down = box
    if not all(abs(edge) < float("inf") for edge in box):
        return "a box with an edge that is no number"
    if across <= 0 or down <= 0:
        return f"a box without area ({across:g}x{down:g})"
    if left < -slack or top < -slack or left + across > width + slack or top + down > height + slack:
        return f"a box outside the picture ({left:g}, {top:g}, {across:g}x{down:g} in {width}x{height})"
    return ""


def polygon_box(polygons: tuple[tuple[float, ...], ...]) -> tuple[float, float, float, float]:
    """Return what surrounds *polygons*: left, top, width, height."""
    xs = [x for polygon in polygons for x in polygon[0::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def polygon_area(polygons: tuple[tuple[float, ...], ...]) -> float:
    """Return the area of *polygons* in pixels, by the shoelace formula."""
    return sum(_shoelace(polygon[0::2], polygon[1::2]) for polygon in polygons)


def _shoelace(xs: tuple[float, ...], ys: tuple[float, ...]) -> float:
    pairs = zip(xs, ys, xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, next_x, next_y in pairs)) / 2
