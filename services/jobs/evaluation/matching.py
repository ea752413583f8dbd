"""Which of what was found is which of what is there, one picture at a time. Pure.

Used for thresholds, the confusion matrix and the worst pictures, where a picture is looked at as a person would: each
thing is found once or not at all. (Average precision has its own matching, COCO's, in coco_figures.py.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.jobs.evaluation.detections import Found
from services.jobs.evaluation.labelled_set import Truth

IOU = 0.5
Box = tuple[float, float, float, float]


class Pairs(NamedTuple):
    """*pairs* of found and true; *extra* was found and is not there; *missed* is there and was not found.

    What lies in a crowd of its label is in none of them.
    """

    pairs: list[tuple[Found, Truth]]
    extra: list[Found]
    missed: list[Truth]


def match(found: Sequence[Found], truths: Sequence[Truth], *, any_label: bool = False, iou: float = IOU) -> Pairs:
    """Match the best of *found* first, each with the free truth that it overlaps most, by at least *iou*.

    Things match within their label, or with *any_label* within none: what is left is then a confusion, not a miss.
    """
    free = [truth for truth in truths if not truth.crowd]
    crowds = [truth for truth in truths if truth.crowd]
    pairs, extra = [], []
    for thing in sorted(found, key=lambda it: -it.score):
        candidates = [truth for truth in free if any_label or truth.label == thing.label]
        best = max(candidates, key=lambda truth: overlap(thing.box, truth.box), default=None)
        if best is not None and overlap(thing.box, best.box) >= iou:
            pairs.append((thing, best))
            free = [truth for truth in free if truth is not best]
        elif not any(_within(thing, crowd, iou) for crowd in crowds):
            extra.append(thing)
    return Pairs(pairs, extra, free)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes (left, top, width, height)."""
    shared = _shared(one, other)
    union = one[2] * one[3] + other[2] * other[3] - shared
    return shared / union if union > 0 else 0.0


def _within(thing: Found, crowd: Truth, iou: float) -> bool:
    """Say whether *thing* is part of a *crowd* of its label: so much of it lies inside."""
    area = thing.box[2] * thing.box[3]
    return thing.label == crowd.label and area > 0 and _shared(thing.box, crowd.box) / area >= iou


def _shared(one: Box, other: Box) -> float:
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(across, 0.0) * max(down, 0.0)
