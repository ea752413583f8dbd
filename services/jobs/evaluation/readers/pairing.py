"""Which file of labels belongs to which picture, by where they lie. Pure.

Paths are relative to their folders, which may be two. The place of one is its path without suffix, and without folders
that say what is in them: ``images/street/1.jpg`` and ``labels/street/1.txt`` are both at ``street/1``. Labels at no
picture's place belong to the picture that is called like them, where each is the only one of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from services.jobs.evaluation.labelled_set import Faults

_SAYING_WHAT = ("images", "labels")


def paired(pictures: Sequence[PurePath], labels: Sequence[PurePath], faults: Faults) -> dict[PurePath, PurePath]:
    """Return the file of labels of each picture that has one; where several may be meant, that is a fault."""
    by_place, by_name, alike = _grouped(labels, _place), _grouped(labels, _name), _grouped(pictures, _name)
    places = set(map(_place, pictures))
    pairs = {}
    for picture in pictures:
        found = by_place.get(_place(picture), [])
        if not found:
            found = by_name.get(_name(picture), [])
            if all(_place(path) in places for path in found):
                continue  # they are others'
            _require_one(found[0], alike[_name(picture)], faults)
        _require_one(picture, found, faults)
        pairs[picture] = found[0]
    return pairs


def _require_one(path: PurePath, others: Sequence[PurePath], faults: Faults) -> None:
    if len(others) > 1:
        faults.add(path.as_posix(), f"may belong to any of {', '.join(other.as_posix() for other in others)}")


def _grouped(paths: Sequence[PurePath], key: Callable[[PurePath], str]) -> dict[str, list[PurePath]]:
    groups: dict[str, list[PurePath]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _place(path: PurePath) -> str:
    return "/".join(part for part in path.with_suffix("").parts if part.lower() not in _SAYING_WHAT)


def _name(path: PurePath) -> str:
    return path.stem
