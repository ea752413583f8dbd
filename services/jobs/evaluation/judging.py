"""From the truth and the answers to a report, for each task in its own way. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from services.jobs.evaluation.class_figures import rank, top_figures
from services.jobs.evaluation.coco_figures import coco_figures
from services.jobs.evaluation.confusion import at_threshold, box_confusion
from services.jobs.evaluation.detections import Answered, Found
from services.jobs.evaluation.labelled_set import LabelledSet, Picture
from services.jobs.evaluation.labels import Matched
from services.jobs.evaluation.lane_figures import lane_figures, mean_figures
from services.jobs.evaluation.matching import match
from services.jobs.evaluation.report import Report, SetSummary, WorstPicture
from services.jobs.evaluation.thresholds import FALLBACK, best_thresholds
from services.registry.client import Modelinfo

MOST_WORST = 12


class Judged(NamedTuple):
    """What was evaluated: the *model*, for which *task*, and whether only what it serves could be seen."""

    id: str
    model: Modelinfo
    task: str
    made_at: str
    served_only: bool


def judge(judged: Judged, matched: Matched, answers: Mapping[str, Answered]) -> Report:
    """Return the report on *answers*, by the pictures' names; its worst pictures are yet without an image."""
    labelled = matched.labelled
    report = Report(
        id=judged.id,
        model_key=judged.model.key,
        task=judged.task,
        labelled_set=SetSummary(
            labelled.name,
            labelled.format,
            len(labelled.pictures),
            labelled.objects,
            len(labelled.labels),
            labelled.sha256,
        ),
        made_at=judged.made_at,
        figures={},
        unknown_labels=matched.unknown,
        ignored_labels=matched.ignored,
        failed={name: answer.problem for name, answer in answers.items() if answer.problem},
        served_only=judged.served_only,
        model={
            "dnnarch": judged.model.dnnarch,
            "framework_type": judged.model.framework_type,
            "description": judged.model.description,
            "files": {file.path: file.sha256 for file in judged.model.files},
        },
    )
    return _JUDGES[judged.task](report, labelled, answers)


def _judge_things(report: Report, labelled: LabelledSet, answers: Mapping[str, Answered]) -> Report:
    found = {name: answer.found for name, answer in answers.items()}
    boxes = coco_figures(labelled, found, "bbox")
    thresholds = best_thresholds(labelled, found)
    scores = {label: it.score for label, it in thresholds.items()}
    report = replace(
        report,
        figures=boxes.figures,
        classes=boxes.classes,
        thresholds=thresholds,
        confusion=box_confusion(labelled, _of_the_set(labelled, found), scores, otherwise=FALLBACK),
        worst=_worst([_mistakes(picture, found.get(picture.name, ()), scores) for picture in labelled.pictures]),
    )
    if not _has_masks(labelled, found):
        return report
    masks = coco_figures(labelled, found, "segm")
    named = {f"segm_{name}": value for name, value in masks.figures.items()}
    return replace(report, figures={**report.figures, **named}, masks=masks.classes)


def _judge_lanes(report: Report, labelled: LabelledSet, answers: Mapping[str, Answered]) -> Report:
    each, worst = [], []
    for picture in labelled.pictures:
        if picture.lanes is None:
            continue
        lines = [thing.points for thing in answers[picture.name].found] if picture.name in answers else []
        one = lane_figures(picture.lanes, lines)
        each.append(one)
        lanes = len(picture.lanes.lanes)
        missed, extra = round(one.false_negative * max(min(lanes, 4), 1)), round(one.false_positive * len(lines))
        worst.append(WorstPicture(picture.name, 1 - one.accuracy, missed, extra, lanes - missed))
    mean = mean_figures(each)
    figures: dict[str, float | None] = {
        "lane_accuracy": mean.accuracy,
        "lane_false_positive": mean.false_positive,
        "lane_false_negative": mean.false_negative,
    }
    return replace(report, figures=figures, worst=_worst(worst))


def _judge_classes(report: Report, labelled: LabelledSet, answers: Mapping[str, Answered]) -> Report:
    guesses = {name: answer.classes for name, answer in answers.items()}
    figures, tops, confusion = top_figures(labelled, guesses)
    worst = [
        WorstPicture(
            picture.name, float(place != 1) + float(place == 0), int(place == 0), int(place != 1), int(place == 1)
        )
        for picture in labelled.pictures
        if picture.classes
        for place in [rank(picture.classes, guesses.get(picture.name, ()))]
    ]
    return replace(report, figures=figures, tops=tuple(tops), confusion=confusion, worst=_worst(worst))


_JUDGES = {"bbox": _judge_things, "polygon": _judge_things, "lane": _judge_lanes, "classify": _judge_classes}


def _mistakes(picture: Picture, found: tuple[Found, ...], thresholds: Mapping[str, float]) -> WorstPicture:
    pairs = match(at_threshold(found, thresholds, otherwise=FALLBACK), picture.truths)
    mistakes = len(pairs.missed) + len(pairs.extra)
    return WorstPicture(picture.name, float(mistakes), len(pairs.missed), len(pairs.extra), len(pairs.pairs))


def _worst(pictures: list[WorstPicture]) -> tuple[WorstPicture, ...]:
    """Return the pictures with the most mistakes first; of equal ones, those with the fewest right."""
    wrong = [picture for picture in pictures if picture.mistakes > 0]
    return tuple(sorted(wrong, key=lambda it: (-it.mistakes, it.right, it.name))[:MOST_WORST])


def _of_the_set(labelled: LabelledSet, found: Mapping[str, tuple[Found, ...]]) -> dict[str, list[Found]]:
    return {name: [it for it in things if it.label in labelled.labels] for name, things in found.items()}


def _has_masks(labelled: LabelledSet, found: Mapping[str, tuple[Found, ...]]) -> bool:
    true = any(truth.polygons or truth.rle for picture in labelled.pictures for truth in picture.truths)
    return true and any(len(thing.points) >= 6 for things in found.values() for thing in things)
