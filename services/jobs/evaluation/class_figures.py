"""How often a classifier's first guess, or one of its first five, is right. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from services.jobs.evaluation.confusion import NOTHING, Confusion, confusion_of
from services.jobs.evaluation.labelled_set import LabelledSet

Guesses = Sequence[tuple[str, float]]


class TopFigures(msgspec.Struct, frozen=True):
    """Of a class: how many pictures of it there are, and the shares whose first, or first five guesses are right."""

    label: str
    pictures: int
    top_1: float
    top_5: float


def top_figures(
    labelled: LabelledSet, guesses: Mapping[str, Guesses]
) -> tuple[dict[str, float | None], list[TopFigures], Confusion]:
    """Return the figures of all pictures, those of each class, and the confusion of first guesses."""
    ranks = {picture.name: rank(picture.classes, guesses.get(picture.name, ())) for picture in labelled.pictures}
    judged = [picture for picture in labelled.pictures if picture.classes]
    classes = []
    for label in labelled.labels:
        own = [ranks[picture.name] for picture in judged if picture.classes[0] == label]
        if own:
            classes.append(TopFigures(label, len(own), share(own, 1), share(own, 5)))
    every = [ranks[picture.name] for picture in judged]
    pairs = [(_said(picture.classes, guesses.get(picture.name, ()))) for picture in judged]
    figures: dict[str, float | None] = {"top_1": share(every, 1), "top_5": share(every, 5)}
    return figures, classes, confusion_of(pairs)


def rank(right: Sequence[str], guesses: Guesses) -> int:
    """Return the place of the first right guess, from 1; 0 where there is none."""
    return next((place for place, (label, _) in enumerate(guesses, 1) if label in right), 0)


def share(ranks: Sequence[int], first: int) -> float:
    """Return the share of *ranks* that are among the *first*."""
    return sum(0 < it <= first for it in ranks) / len(ranks) if ranks else 0.0


def _said(right: Sequence[str], guesses: Guesses) -> tuple[str, str]:
    """Return the true label and the first guess; a guess that is right by another label of the picture counts as it."""
    said = guesses[0][0] if guesses else NOTHING
    return (said, said) if said in right else (right[0], said)
