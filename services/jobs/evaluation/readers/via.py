"""Labelled sets as VGG Image Annotator 2.x JSON, which is also what predictions are answered in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.jobs.evaluation.labelled_set import (
    Faults,
    LabelledSet,
    Picture,
    Truth,
    box_fault,
    polygon_area,
    polygon_box,
)
from services.jobs.evaluation.pictures import PictureFinder

FORMAT = "via"
_CORNERS = 48
_LABEL_MEMBERS = ("label", "name", "class", "type", "category")


def is_via(document: Any) -> bool:
    """Say whether a JSON document looks like VIA's: a project, or its annotations alone."""
    if not isinstance(document, Mapping):
        return False
    entries = _entries(document)
    return bool(entries) and all(isinstance(it, Mapping) and "regions" in it for it in entries)


def read(document: Mapping[str, Any], name: str, pictures: Path) -> LabelledSet:
    """Return the set; raises BadRequest naming every fault."""
    faults, finder = Faults(), PictureFinder(pictures)
    listed = []
    for entry in _entries(document):
        found = finder.measured(str(entry.get("filename", "")), faults)
        if found is not None:
            listed.append(_picture(entry, found, faults))
    faults.check()
    labels = sorted({truth.label for picture in listed for truth in picture.truths})
    return LabelledSet(name, FORMAT, tuple(labels), tuple(listed))


def _entries(document: Mapping[str, Any]) -> list[Any]:
    for member in ("_via_img_metadata", "result"):
        if isinstance(document.get(member), Mapping):
            return list(document[member].values())
    return list(document.values())


def _picture(entry: Mapping[str, Any], found: tuple[Path, int, int], faults: Faults) -> Picture:
    path, width, height = found
    name = str(entry["filename"])
    regions = entry["regions"]
    regions = list(regions.values()) if isinstance(regions, Mapping) else list(regions)
    truths = _joined([_truth(region, f"{name} region {at}", faults) for at, region in enumerate(regions)])
    for at, truth in enumerate(truths):
        if fault := box_fault(truth.box, width, height):
            faults.add(f"{name} region {at}", fault)
    return Picture(name, path, width, height, tuple(truths))


def _joined(truths: list[Truth | None]) -> list[Truth]:
    """Return the things; a rectangle with a polygon right behind it, of one label and place, is one thing."""
    there = [truth for truth in truths if truth]
    return [
        truth
        for at, truth in enumerate(there)
        if truth.polygons or at + 1 == len(there) or not _same(truth, there[at + 1])
    ]


def _same(rect: Truth, other: Truth) -> bool:
    near = all(abs(one - two) <= 2 for one, two in zip(rect.box, other.box, strict=True))
    return bool(other.polygons) and rect.label == other.label and near


def _truth(region: Any, where: str, faults: Faults) -> Truth | None:
    try:
        shape, attributes = region["shape_attributes"], region["region_attributes"]
        label = next((str(attributes[member]) for member in _LABEL_MEMBERS if attributes.get(member)), "")
        if not label:
            faults.add(where, f"no label (looked for {', '.join(_LABEL_MEMBERS)})")
            return None
        if shape["name"] == "rect":
            box = tuple(float(shape[member]) for member in ("x", "y", "width", "height"))
            return Truth(label, (box[0], box[1], box[2], box[3]), box[2] * box[3])
        polygon = _outline(shape)
    except (KeyError, TypeError, ValueError, AttributeError):
        faults.add(where, "not a region as VIA writes them")
        return None
    if len(polygon) < 6:
        faults.add(where, f"a {shape['name']} is no area")
        return None
    return Truth(label, polygon_box((polygon,)), polygon_area((polygon,)), (polygon,))


def _outline(shape: Mapping[str, Any]) -> tuple[float, ...]:
    """Return a shape's outline x, y, x, y …; empty for one that has no area."""
    if shape["name"] == "polygon":
        points = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
        return tuple(float(value) for point in points for value in point)
    if shape["name"] in ("circle", "ellipse"):
        across, down = (shape.get("rx", shape.get("r")), shape.get("ry", shape.get("r")))
        turns = [2 * math.pi * corner / _CORNERS for corner in range(_CORNERS)]
        return tuple(
            value
            for turn in turns
            for value in (shape["cx"] + across * math.cos(turn), shape["cy"] + down * math.sin(turn))
        )
    return ()
