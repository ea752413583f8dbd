"""Average precision as COCO defines it, by pycocotools: the only file that imports it.

Boxes (``bbox``) or masks (``segm``); IoU 0.50 to 0.95 in steps of 0.05, 101 points of recall, 100 things a picture.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from services.jobs.evaluation.detections import Found
from services.jobs.evaluation.labelled_set import LabelledSet, Picture, Truth

IouKind = Literal["bbox", "segm"]
SIZES = ("small", "medium", "large")
_ALL_AREAS, _HUNDRED = 0, 2
_AT_50, _AT_75 = 0, 5
_NAMES = ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "AR_1", "AR_10", "AR_100")


class ClassFigures(msgspec.Struct, frozen=True):
    """A class: how many things there are, its average precisions (None where there is nothing to find), its curve.

    *precision* is at 101 points of recall from 0 to 1 at an IoU of 0.50; *scores* are the thresholds that reach them.
    """

    label: str
    objects: int
    ap: float | None
    ap_50: float | None
    ap_75: float | None
    by_size: dict[str, float | None]
    precision: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()


class CocoFigures(msgspec.Struct, frozen=True):
    """*figures* by their names; None where the set has nothing of the kind."""

    figures: dict[str, float | None]
    classes: tuple[ClassFigures, ...]


def coco_figures(labelled: LabelledSet, found: Mapping[str, Sequence[Found]], kind: IouKind) -> CocoFigures:
    """Return the figures of what was *found* in each picture (by its name). Labels that the set lacks do not count."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = _coco(_document(labelled, kind))
        told = (
            truth.loadRes(results)
            if (results := _results(labelled, found, kind))
            else _coco(_document(labelled, kind, bare=True))
        )
        scoring = COCOeval(truth, told, kind)
        scoring.evaluate()
        scoring.accumulate()
        scoring.summarize()
    figures = {name: _figure(value) for name, value in zip(_NAMES, scoring.stats, strict=False)}
    classes = tuple(
        _of_class(scoring.eval, at, label, _count(labelled, label)) for at, label in enumerate(labelled.labels)
    )
    return CocoFigures(figures, classes)


def _coco(document: dict[str, Any]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = document
    coco.createIndex()
    return coco


def _document(labelled: LabelledSet, kind: IouKind, *, bare: bool = False) -> dict[str, Any]:
    """Return the truth as COCO's document; *bare*: without any thing in it."""
    things = [(at, truth) for at, picture in enumerate(labelled.pictures, 1) for truth in picture.truths]
    ids = {label: at for at, label in enumerate(labelled.labels, 1)}
    usable = [(at, truth) for at, truth in things if kind == "bbox" or truth.polygons or truth.rle]
    return {
        "info": {},
        "images": [_image(at, picture) for at, picture in enumerate(labelled.pictures, 1)],
        "categories": [{"id": at, "name": label} for label, at in ids.items()],
        "annotations": [] if bare else [_annotation(at, *it, ids) for at, it in enumerate(usable, 1)],
    }


def _image(at: int, picture: Picture) -> dict[str, Any]:
    return {"id": at, "file_name": picture.name, "width": picture.width, "height": picture.height}


def _annotation(at: int, image: int, truth: Truth, ids: Mapping[str, int]) -> dict[str, Any]:
    mask = truth.rle or [list(polygon) for polygon in truth.polygons]
    return {
        "id": at,
        "image_id": image,
        "category_id": ids[truth.label],
        "bbox": list(truth.box),
        "area": truth.area,
        "iscrowd": int(truth.crowd),
        **({"segmentation": mask} if mask else {}),
    }


def _results(labelled: LabelledSet, found: Mapping[str, Sequence[Found]], kind: IouKind) -> list[dict[str, Any]]:
    from pycocotools import mask

    ids = {label: at for at, label in enumerate(labelled.labels, 1)}
    results = []
    for at, picture in enumerate(labelled.pictures, 1):
        for thing in found.get(picture.name, ()):
            if thing.label not in ids or (kind == "segm" and len(thing.points) < 6):
                continue
            told: dict[str, Any] = {"image_id": at, "category_id": ids[thing.label], "score": thing.score}
            if kind == "bbox":
                told["bbox"] = list(thing.box)
            else:
                told["segmentation"] = mask.frPyObjects([list(thing.points)], picture.height, picture.width)[0]
            results.append(told)
    return results


def _count(labelled: LabelledSet, label: str) -> int:
    return sum(truth.label == label and not truth.crowd for picture in labelled.pictures for truth in picture.truths)


def _of_class(evaluated: Mapping[str, Any], at: int, label: str, objects: int) -> ClassFigures:
    precision, scores = evaluated["precision"][:, :, at], evaluated["scores"][:, :, at]
    whole = precision[:, :, _ALL_AREAS, _HUNDRED]
    curve = whole[_AT_50]
    return ClassFigures(
        label,
        objects,
        _mean(whole),
        _mean(curve),
        _mean(whole[_AT_75]),
        {size: _mean(precision[:, :, place, _HUNDRED]) for place, size in enumerate(SIZES, 1)},
        tuple(np.round(curve, 4).tolist()) if objects else (),
        tuple(np.round(scores[_AT_50, :, _ALL_AREAS, _HUNDRED], 4).tolist()) if objects else (),
    )


def _mean(precision: np.ndarray) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _figure(value: float) -> float | None:
    return None if value < 0 else float(value)
