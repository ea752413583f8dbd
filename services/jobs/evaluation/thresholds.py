"""The best threshold of each class: where precision and recall together (F1) are best. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.jobs.evaluation.detections import Found
from services.jobs.evaluation.labelled_set import LabelledSet
from services.jobs.evaluation.matching import match

FALLBACK = 0.5
_DIGITS = 4


class Threshold(msgspec.Struct, frozen=True):
    """Found at *score* and above: so much of it is right (*precision*), and so much of what is there (*recall*)."""

    score: float
    precision: float
    recall: float
    f1: float


def best_thresholds(labelled: LabelledSet, found: Mapping[str, Sequence[Found]]) -> dict[str, Threshold]:
    """Return the best threshold of each label that has things and was found at least once right."""
    hits: dict[str, list[tuple[float, bool]]] = {label: [] for label in labelled.labels}
    there = dict.fromkeys(labelled.labels, 0)
    for picture in labelled.pictures:
        pairs = match([it for it in found.get(picture.name, ()) if it.label in there], picture.truths)
        for thing, _ in pairs.pairs:
            hits[thing.label].append((thing.score, True))
        for thing in pairs.extra:
            hits[thing.label].append((thing.score, False))
        for truth in picture.truths:
            there[truth.label] += not truth.crowd
    chosen = {label: best_threshold(hits[label], there[label]) for label in labelled.labels}
    return {label: threshold for label, threshold in chosen.items() if threshold is not None}


def best_threshold(hits: Iterable[tuple[float, bool]], there: int) -> Threshold | None:
    """Return the threshold of the best F1 among *hits* (score, right or not) of *there* things; None without any right.

    Of equally good ones the highest: it shows the fewest mistakes.
    """
    best: Threshold | None = None
    right = shown = 0
    ordered = sorted(hits, key=lambda hit: -hit[0])
    for place, (score, is_right) in enumerate(ordered):
        right, shown = right + is_right, shown + 1
        if place + 1 < len(ordered) and ordered[place + 1][0] == score:
            continue  # equal scores come and go together
        f1 = 2 * right / (shown + there) if there else 0.0
        if f1 > (best.f1 if best else 0.0):
            best = Threshold(_rounded_down(score), right / shown, right / there, f1)
    return best


def _rounded_down(score: float) -> float:
    """Return *score* with four digits; what has it is at least as sure as that."""
    nearest = round(score, _DIGITS)
    return nearest if nearest <= score else round(nearest - 10**-_DIGITS, _DIGITS)
