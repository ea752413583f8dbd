"""Labelled sets written out of nothing, for tests of their readers and of what is reckoned from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from services.jobs.evaluation.labelled_set import LabelledSet, Picture, Truth

SIZE = (100, 80)


def write_picture(path: Path, size: tuple[int, int] = SIZE, *, orientation: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", size, (90, 120, 40)).save(path, exif=exif)
    return path


def coco(**changes: Any) -> dict[str, Any]:
    """Return a good COCO document of one picture ``a.jpg`` with one dog; *changes* stand over its members."""
    document = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": SIZE[0], "height": SIZE[1]}],
        "categories": [{"id": 3, "name": "dog"}, {"id": 9, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40], "area": 900.0}],
    }
    return document | changes


def annotation(**fields: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40], "area": 900.0, "iscrowd": 0} | fields


def write_json(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def truth(label: str, box: tuple[float, float, float, float], **fields: Any) -> Truth:
    return Truth(label, box, fields.pop("area", box[2] * box[3]), **fields)


def a_set(truths: Mapping[str, Sequence[Truth]], labels: Sequence[str] = ("dog", "cat"), **fields: Any) -> LabelledSet:
    """Return a set in memory: *truths* by the names of pictures that are not there."""
    pictures = tuple(Picture(name, Path(name), *SIZE, tuple(things)) for name, things in truths.items())
    return LabelledSet(fields.get("name", "pets"), "coco", tuple(labels), pictures)
