"""Labelled sets as COCO JSON: boxes, polygons, run-length masks, crowds."""

from __future__ import annotations

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

FORMAT = "coco"


def is_coco(document: Any) -> bool:
    """Say whether a JSON document looks like COCO's."""
    return isinstance(document, Mapping) and {"images", "annotations", "categories"} <= set(document)


def read(document: Mapping[str, Any], name: str, pictures: Path) -> LabelledSet:
    """Return the set; raises BadRequest naming every fault."""
    faults, finder = Faults(), PictureFinder(pictures)
    labels = {
        it["id"]: str(it["name"]) for it in document["categories"] if _has(it, ("id", "name"), "category", faults)
    }
    images = {it["id"]: it for it in document["images"] if _has(it, ("id", "file_name"), "image", faults)}
    truths: dict[Any, list[Truth]] = {key: [] for key in images}
    for at, annotation in enumerate(document["annotations"]):
        if not _has(annotation, ("image_id", "category_id"), f"annotation {at}", faults):
            continue
        where = f"annotation {annotation.get('id', at)}"
        if annotation["image_id"] not in images:
            faults.add(where, f"of an image {annotation['image_id']!r} that is not listed")
        elif annotation["category_id"] not in labels:
            faults.add(where, f"of a category {annotation['category_id']!r} that is not listed")
        else:
            truth = _truth(annotation, labels, images[annotation["image_id"]], where, faults)
            truths[annotation["image_id"]] += [truth] if truth else []
    listed = [_picture(image, tuple(truths[key]), finder, faults) for key, image in images.items()]
    faults.check()
    return LabelledSet(name, FORMAT, tuple(labels.values()), tuple(it for it in listed if it))


def _has(it: Any, members: tuple[str, ...], where: str, faults: Faults) -> bool:
    missing = [member for member in members if not isinstance(it, Mapping) or member not in it]
    if missing:
        faults.add(where, f"without {' and '.join(missing)}")
    return not missing


def _truth(
    annotation: Mapping[str, Any], labels: Mapping[Any, str], image: Mapping[str, Any], where: str, faults: Faults
) -> Truth | None:
    try:
        mask = annotation.get("segmentation") or ()
        rle = dict(mask) if isinstance(mask, Mapping) else None
        polygons = () if rle else tuple(tuple(float(value) for value in polygon) for polygon in mask)
        if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
            faults.add(where, "a polygon of fewer than three points, or half a point")
            return None
        box = annotation.get("bbox") or polygon_box(polygons)
        left, top, across, down = (float(edge) for edge in box)
    except (TypeError, ValueError):
        faults.add(where, "its bbox or segmentation is not made of numbers")
        return None
    crowd = bool(annotation.get("iscrowd", 0))
    bounds = int(image.get("width") or 10**9), int(image.get("height") or 10**9)
    if not crowd and (fault := box_fault((left, top, across, down), *bounds)):
        faults.add(where, fault)
        return None
    area = float(annotation.get("area") or polygon_area(polygons) or across * down)
    label = labels[annotation["category_id"]]
    return Truth(label, (left, top, across, down), area, polygons, rle, crowd)


def _picture(
    image: Mapping[str, Any], truths: tuple[Truth, ...], finder: PictureFinder, faults: Faults
) -> Picture | None:
    name = str(image["file_name"])
    found = finder.measured(name, faults)
    if found is None:
        return None
    path, width, height = found
    told = int(image.get("width") or width), int(image.get("height") or height)
    if told != (width, height):
        faults.add(name, f"is {width}x{height}, the annotations say {told[0]}x{told[1]}")
    return Picture(name, path, width, height, truths)
