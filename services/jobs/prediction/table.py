"""A table of regions for spreadsheets: a line for each, and one for each picture that has none or is broken."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import IO, Any

from services.jobs.prediction.line import Line

_NAMES = ("filename", "width", "height", "label", "score", "shape", "x", "y", "w", "h", "points", "problem")


def write(file: IO[bytes], lines: Callable[[], Iterator[Line]], _: list[str]) -> None:
    """Write the table; a polygon's and a lane's points are ``x y`` joined with ``;``."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, _NAMES, restval="")
    writer.writeheader()
    for line in lines():
        writer.writerows({name: _unexecutable(value) for name, value in row.items()} for row in _rows(line))
    text.detach()


def _rows(line: Line) -> Iterator[dict[str, Any]]:
    known = {"filename": line.filename, "width": line.width, "height": line.height}
    if line.problem:
        yield {"filename": line.filename, "problem": line.problem.detail}
    elif not line.regions and not line.classes:
        yield known
    for found in line.classes:
        yield {**known, "label": found.get("label"), "score": found.get("score"), "shape": "class"}
    for region in line.regions:
        about = region.region_attributes
        yield {**known, "label": about.get("label"), "score": about.get("score"), **_shape(region.shape_attributes)}


def _shape(shape: dict[str, Any]) -> dict[str, Any]:
    if shape["name"] == "rect":
        return {"shape": "rect", "x": shape["x"], "y": shape["y"], "w": shape["width"], "h": shape["height"]}
    points = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
    return {"shape": shape["name"], "points": ";".join(f"{x} {y}" for x, y in points)}


def _unexecutable(value: Any) -> Any:
    """Keep a spreadsheet from taking a file's name for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
