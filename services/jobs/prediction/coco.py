"""COCO's JSON: pictures, annotations (rectangles and polygons, with scores) and categories.

A category's id is its place among the model's classes, as COCO's tools expect of its predictions; a label that is none
of them gets an id behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import IO, Any

import msgspec

from services.jobs.prediction.line import Line, Region

_ENCODER = msgspec.json.Encoder()
BACKGROUND = "BG"


def write(file: IO[bytes], lines: Callable[[], Iterator[Line]], classes: list[str]) -> None:
    """Write all pictures that have a prediction."""
    categories = {label: number for number, label in enumerate(classes) if label != BACKGROUND}
    file.write(b'{"info":{"description":"Predictions by Servoir"},"licenses":[],\n"images":[')
    _write_list(file, _images(lines()))
    file.write(b'],\n"annotations":[')
    _write_list(file, _annotations(lines(), categories))
    file.write(b'],\n"categories":[')
    _write_list(file, ({"id": number, "name": label, "supercategory": ""} for label, number in categories.items()))
    file.write(b"]}\n")


def _write_list(file: IO[bytes], objects: Iterable[dict[str, Any]]) -> None:
    for number, one in enumerate(objects):
        file.write((b",\n" if number else b"\n") + _ENCODER.encode(one))


def _images(lines: Iterator[Line]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.problem:
            yield {"id": number, "file_name": line.filename, "width": line.width, "height": line.height}


def _annotations(lines: Iterator[Line], categories: dict[str, int]) -> Iterator[dict[str, Any]]:
    count = 0
    for number, line in enumerate(lines, 1):
        for region in _whole(line.regions):
            count += 1
            label = str(region.region_attributes.get("label", ""))
            category = categories.setdefault(label, max(categories.values(), default=0) + 1)
            found = {"id": count, "image_id": number, "category_id": category, "iscrowd": 0}
            yield {**found, **_shape(region), "score": region.region_attributes.get("score")}


def _whole(regions: list[Region]) -> list[Region]:
    """Return one region for each object: an instance has a rectangle and a polygon, which says it all."""
    polygons = [region for region in regions if region.shape_attributes.get("name") == "polygon"]
    return polygons or [region for region in regions if region.shape_attributes.get("name") == "rect"]


def _shape(region: Region) -> dict[str, Any]:
    shape = region.shape_attributes
    if shape["name"] == "rect":
        box = [shape["x"], shape["y"], shape["width"], shape["height"]]
        return {"bbox": box, "area": shape["width"] * shape["height"], "segmentation": []}
    xs, ys = shape["all_points_x"], shape["all_points_y"]
    points = list(zip(xs, ys, strict=True))
    area = abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise([*points, *points[:1]]))) / 2
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return {"bbox": box, "area": area, "segmentation": [[part for point in points for part in point]]}
