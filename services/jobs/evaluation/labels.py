"""Brings a set's labels and a model's together. Pure.

The two may call things differently, so a set's label can be given a model's name, or none, which leaves it out. What
the set has and the model has never heard of is not held against the model; it is left out too, and said in the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from chassis.errors import BadRequest
from services.jobs.evaluation.labelled_set import LabelledSet, Picture


class Matched(NamedTuple):
    """A set in the model's words, and what was left out of it: how many things of each unknown or ignored label."""

    labelled: LabelledSet
    unknown: dict[str, int]
    ignored: dict[str, int]


def match_labels(labelled: LabelledSet, names: Collection[str], mapping: Mapping[str, str]) -> Matched:
    """Return *labelled* in the words of a model that knows *names*; an empty *names* takes the set's as they are.

    *mapping* gives a set's label the model's name for it; an empty name ignores it. Raises BadRequest where it maps
    what is not in the set, or to what the model does not know; and where not one label is left.
    """
    _check(labelled.labels, names, mapping)
    ignored_labels = {label for label, name in mapping.items() if not name}
    to = {label: mapping.get(label, label) for label in labelled.labels if label not in ignored_labels}
    unknown_labels = {label for label, name in to.items() if names and name not in names}
    known = {label: name for label, name in to.items() if label not in unknown_labels}
    if not known:
        some = ", ".join(sorted(labelled.labels)[:8])
        raise BadRequest(
            f"the model knows none of the set's labels ({some}): give them the model's names with `labels`"
        )
    counts = Counter(label for picture in labelled.pictures for label in _labels_of(picture))
    pictures = tuple(_renamed(picture, known) for picture in labelled.pictures)
    return Matched(
        msgspec.structs.replace(labelled, labels=tuple(dict.fromkeys(known.values())), pictures=pictures),
        {label: counts[label] for label in sorted(unknown_labels)},
        {label: counts[label] for label in sorted(ignored_labels)},
    )


def _check(labels: Sequence[str], names: Collection[str], mapping: Mapping[str, str]) -> None:
    absent = [label for label in mapping if label not in labels]
    if absent:
        raise BadRequest(f"labels: the set has no {', '.join(map(repr, absent))}")
    unheard = [name for name in mapping.values() if name and names and name not in names]
    if unheard:
        raise BadRequest(f"labels: the model knows no {', '.join(map(repr, unheard))}")


def _labels_of(picture: Picture) -> list[str]:
    return [truth.label for truth in picture.truths] + list(picture.classes)


def _renamed(picture: Picture, known: Mapping[str, str]) -> Picture:
    truths = tuple(
        msgspec.structs.replace(truth, label=known[truth.label]) for truth in picture.truths if truth.label in known
    )
    classes = tuple(known[label] for label in picture.classes if label in known)
    return msgspec.structs.replace(picture, truths=truths, classes=classes)
