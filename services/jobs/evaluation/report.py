"""The report of an evaluation: what is kept at the registry, read by programs, and made into a page."""

from __future__ import annotations

from typing import Any

import msgspec

from services.jobs.evaluation.class_figures import TopFigures
from services.jobs.evaluation.coco_figures import ClassFigures
from services.jobs.evaluation.confusion import Confusion
from services.jobs.evaluation.thresholds import Threshold
from services.registry.client import Report as Kept


class SetSummary(msgspec.Struct, frozen=True):
    """The labelled set: two with the same *sha256* have the same truth and the same pictures."""

    name: str
    format: str
    pictures: int
    objects: int
    labels: int
    sha256: str


class WorstPicture(msgspec.Struct, frozen=True):
    """A picture with many *mistakes*: the things missed, found wrongly, and found right."""

    name: str
    mistakes: float
    missed: int
    extra: int
    right: int
    image: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluation. *figures* are the numbers that a release can demand; None where the set has nothing of the kind.

    *served_only* says that scores below the model's own threshold were not there to be judged. *failed* are pictures
    that the model gave no answer for, with the reason; they count as pictures in which nothing was found.
    """

    kind: str = "evaluation"
    id: str
    model_key: str
    task: str
    labelled_set: SetSummary
    made_at: str
    figures: dict[str, float | None]
    classes: tuple[ClassFigures, ...] = ()
    masks: tuple[ClassFigures, ...] = ()
    tops: tuple[TopFigures, ...] = ()
    thresholds: dict[str, Threshold] = {}
    confusion: Confusion | None = None
    worst: tuple[WorstPicture, ...] = ()
    unknown_labels: dict[str, int] = {}
    ignored_labels: dict[str, int] = {}
    failed: dict[str, str] = {}
    served_only: bool = False
    model: dict[str, Any] = {}


def for_registry(report: Report, *, made_at_ms: int, actor: str) -> Kept:
    """Return what the registry keeps: everything but curves and pictures, which are in the job's files."""
    bare = msgspec.structs.replace(
        report,
        classes=tuple(msgspec.structs.replace(it, precision=(), scores=()) for it in report.classes),
        masks=tuple(msgspec.structs.replace(it, precision=(), scores=()) for it in report.masks),
        worst=tuple(msgspec.structs.replace(it, image="") for it in report.worst),
    )
    return Kept(
        id=report.id,
        model_key=report.model_key,
        kind=report.kind,
        figures=demandable(report),
        set_name=report.labelled_set.name,
        set_sha256=report.labelled_set.sha256,
        made_at_ms=made_at_ms,
        actor=actor,
        document=msgspec.json.encode(bare),
    )


def demandable(report: Report) -> dict[str, float]:
    """Return the figures that a release can demand: those of the whole set, and of each class ``AP[label]``."""
    whole = {name: value for name, value in report.figures.items() if value is not None}
    each = {f"AP[{it.label}]": it.ap for it in report.classes if it.ap is not None}
    tops = {f"top_1[{it.label}]": it.top_1 for it in report.tops}
    return {**whole, **each, **tops}
