"""The confusion matrix of a detector: what is there against what was said to be there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.jobs.evaluation.detections import Found
from services.jobs.evaluation.labelled_set import LabelledSet
from services.jobs.evaluation.matching import match

NOTHING = ""


class Confusion(msgspec.Struct, frozen=True):
    """*counts* of [true label, found label, how often]; an empty label is nothing there, or nothing found."""

    labels: tuple[str, ...]
    counts: tuple[tuple[str, str, int], ...]

    def count(self, true: str, found: str) -> int:
        """Return how often *true* was found as *found*."""
        return next((number for one, other, number in self.counts if (one, other) == (true, found)), 0)


def box_confusion(
    labelled: LabelledSet, found: Mapping[str, Sequence[Found]], thresholds: Mapping[str, float], *, otherwise: float
) -> Confusion:
    """Count what was found at each label's threshold, or *otherwise* without one; right labels are matched first."""
    pairs: list[tuple[str, str]] = []
    for picture in labelled.pictures:
        shown = at_threshold(found.get(picture.name, ()), thresholds, otherwise=otherwise)
        own = match(shown, picture.truths)
        crowds = [truth for truth in picture.truths if truth.crowd]
        mixed = match(own.extra, [*own.missed, *crowds], any_label=True)
        pairs += [(truth.label, thing.label) for thing, truth in [*own.pairs, *mixed.pairs]]
        pairs += [(NOTHING, thing.label) for thing in mixed.extra]
        pairs += [(truth.label, NOTHING) for truth in mixed.missed]
    return confusion_of(pairs)


def confusion_of(pairs: Iterable[tuple[str, str]]) -> Confusion:
    """Return the matrix of pairs of true and found label."""
    counts = Counter(pairs)
    labels = sorted({label for pair in counts for label in pair if label != NOTHING})
    return Confusion(tuple(labels), tuple((one, other, counts[one, other]) for one, other in sorted(counts)))


def at_threshold(found: Iterable[Found], thresholds: Mapping[str, float], *, otherwise: float) -> list[Found]:
    """Return what is at least as sure as its label's threshold."""
    return [thing for thing in found if thing.score >= thresholds.get(thing.label, otherwise)]
