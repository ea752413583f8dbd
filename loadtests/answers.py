"""Whether an answer is right: the picture's own, and the same as it was when nobody else asked. Pure."""

from __future__ import annotations

from typing import Any

_PIXELS = 2.0
_SCORE = 0.02
_FEW = 0.1
"""Regions at the threshold of a score come and go; more than this share of them may not."""


def told_of(envelope: dict[str, Any], filename: str, size: int) -> dict[str, Any]:
    """Return what *envelope* says of the picture; ValueError where it is not about that picture."""
    told = envelope.get("result", {}).get(filename)
    if told is None:
        raise ValueError(f"no result for {filename}")
    if told.get("filename") != filename or told.get("size") != size:
        raise ValueError(f"{filename} has {size} bytes; the answer is about {told.get('filename')}, {told.get('size')}")
    return dict(told)


def difference(told: dict[str, Any], expected: dict[str, Any]) -> str:
    """Return what is in one of two answers about a picture and not in the other; nothing where they agree."""
    for name in ("width", "height"):
        if told["file_attributes"].get(name) != expected["file_attributes"].get(name):
            return f"another {name}"
    if _classes(told) != _classes(expected):
        return f"classes {_classes(told)}, expected {_classes(expected)}"
    missing = _unmatched(expected["regions"], told["regions"])
    extra = _unmatched(told["regions"], expected["regions"])
    allowed = _FEW * len(expected["regions"])
    return f"{missing} regions missing, {extra} too many" if max(missing, extra) > allowed else ""


def _classes(told: dict[str, Any]) -> list[str]:
    return [str(one["label"]) for one in told.get("classes", [])[:1]]


def _unmatched(regions: list[dict[str, Any]], others: list[dict[str, Any]]) -> int:
    """Return how many of *regions* are not among *others*."""
    left = list(others)
    count = 0
    for region in regions:
        match = next((other for other in left if _alike(region, other)), None)
        if match is None:
            count += 1
        else:
            left.remove(match)
    return count


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    mine, theirs = one["region_attributes"], other["region_attributes"]
    if mine["label"] != theirs["label"] or abs(mine["score"] - theirs["score"]) > _SCORE:
        return False
    return _near(one["shape_attributes"], other["shape_attributes"])


def _near(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one["name"] != other["name"]:
        return False
    if one["name"] != "rect":
        return True
    return all(abs(one[side] - other[side]) <= _PIXELS for side in ("x", "y", "width", "height"))
