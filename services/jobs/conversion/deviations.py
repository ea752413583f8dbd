"""How far the answers of two models to the same pictures are from each other, and how far they may be. Pure.

What clients see is compared: each thing that the source finds is looked for among what the converted model finds, by
label and place. A thing near the threshold of scores may be on one side of it in one model, and on the other in the
other: its score counts as having moved to the threshold, not as lost. Of classes of the whole picture the first guess
is compared; another one is lost and gained, but where the source itself hardly preferred its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_MOST_NAMED = 10
Box = tuple[float, float, float, float]


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most that is let pass: of scores, of edges in *pixels* of the picture, and the *share* of things.

    A *share* of 0.02 lets one of fifty things be lost, or be there that was not.
    """

    score: float = 0.01
    pixels: float = 1.0
    share: float = 0.0


TOLERANCES = {
    "fp32": Tolerance(),
    "fp16": Tolerance(score=0.05, pixels=4.0, share=0.01),
    "int8": Tolerance(score=0.25, pixels=40.0, share=0.1),
}


class Seen(msgspec.Struct, frozen=True):
    """One thing that was found: edges left, top, right, bottom; a class of the whole picture has none."""

    label: str
    score: float
    edges: Box | None = None


class Deviations(msgspec.Struct, frozen=True):
    """What two models differ in over *pictures*, with *things* found by the source.

    *score* and *pixels* are the largest differences of things found by both; *lost* and *gained* name things that only
    one finds although they are well above its threshold; *tensors* is the largest difference of each raw output.
    """

    pictures: int
    things: int
    score: float
    pixels: float
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    differing: int
    tensors: dict[str, float]

    def faults(self, tolerance: Tolerance) -> list[str]:
        """Return what is beyond *tolerance*, in words."""
        faults = []
        if self.score > tolerance.score:
            faults.append(f"scores differ by up to {self.score:.4f} (let pass: {tolerance.score:g})")
        if self.pixels > tolerance.pixels:
            faults.append(f"edges differ by up to {self.pixels:g} pixels (let pass: {tolerance.pixels:g})")
        if self.differing > tolerance.share * max(self.things, 1):
            some = ", ".join([*(f"lost {it}" for it in self.lost), *(f"gained {it}" for it in self.gained)][:4])
            faults.append(f"{self.differing} of {self.things} things are lost or new: {some}")
        return faults


def deviations(
    answers: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]],
    tensors: Mapping[str, float],
    *,
    threshold: float,
    tolerance: Tolerance,
) -> Deviations:
    """Return how *answers* (picture, by the source, by the converted model) differ.

    Things may be near the *threshold*; a class of the whole picture, which has none, never is.
    """
    score = pixels = 0.0
    things, lost, gained = 0, list[str](), list[str]()
    for picture, one, other in answers:
        pairs, only_one, only_other = pair(*_compared(one, other, tolerance))
        things += len(pairs) + len(only_one)
        for left, right in pairs:
            score = max(score, abs(left.score - right.score))
            pixels = max(pixels, _shift(left, right))
        for rest, told in ((only_one, lost), (only_other, gained)):
            for thing in rest:
                if thing.edges and thing.score - threshold <= tolerance.score:
                    score = max(score, thing.score - threshold)
                else:
                    told.append(f"{thing.label} {thing.score:.2f} in {picture}")
    return Deviations(
        len(answers),
        things,
        score,
        pixels,
        tuple(lost[:_MOST_NAMED]),
        tuple(gained[:_MOST_NAMED]),
        len(lost) + len(gained),
        dict(tensors),
    )


def things_in(answer: Mapping[str, Any]) -> list[Seen]:
    """Return the things that an answer tells of."""
    return [_seen(region) for region in answer.get("regions", ())]


def pair(one: Sequence[Seen], other: Sequence[Seen]) -> tuple[list[tuple[Seen, Seen]], list[Seen], list[Seen]]:
    """Pair what is alike, nearest first; return the pairs, and what only *one* and only *other* has."""
    near = sorted(
        (_shift(left, right), at, place)
        for at, left in enumerate(one)
        for place, right in enumerate(other)
        if left.label == right.label and (left.edges is None) == (right.edges is None) and _touch(left, right)
    )
    taken, given = dict[int, int](), set[int]()
    for _, at, place in near:
        if at not in taken and place not in given:
            taken[at] = place
            given.add(place)
    pairs = [(one[at], other[place]) for at, place in sorted(taken.items())]
    return (
        pairs,
        [it for at, it in enumerate(one) if at not in taken],
        [it for place, it in enumerate(other) if place not in given],
    )


def _compared(one: Mapping[str, Any], other: Mapping[str, Any], tolerance: Tolerance) -> tuple[list[Seen], list[Seen]]:
    """Return what is compared of two answers: things, and the first guess of each.

    Where the source says the other's first guess with a score within the tolerance of its own first, it is that one.
    """
    own, first = _guesses_in(one), _guesses_in(other)[:1]
    level = [it for it in own if own[0].score - it.score <= tolerance.score]
    same = [it for it in level if first and it.label == first[0].label]
    return things_in(one) + (same or own[:1]), things_in(other) + first


def _guesses_in(answer: Mapping[str, Any]) -> list[Seen]:
    return [Seen(str(guess["label"]), float(guess["score"])) for guess in answer.get("classes", ())]


def _seen(region: Mapping[str, Any]) -> Seen:
    attributes, shape = region["region_attributes"], region["shape_attributes"]
    if shape["name"] == "rect":
        left, top = float(shape["x"]), float(shape["y"])
        edges = (left, top, left + float(shape["width"]), top + float(shape["height"]))
    else:
        xs, ys = shape["all_points_x"], shape["all_points_y"]
        edges = (float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys)))
    return Seen(f"{attributes['label']}", float(attributes.get("score", 1.0)), edges)


def _shift(one: Seen, other: Seen) -> float:
    if one.edges is None or other.edges is None:
        return 0.0
    return max(abs(left - right) for left, right in zip(one.edges, other.edges, strict=True))


def _touch(one: Seen, other: Seen) -> bool:
    """Say whether two things can be the same: they have more than half of the smaller one in common."""
    if one.edges is None or other.edges is None:
        return True
    across = min(one.edges[2], other.edges[2]) - max(one.edges[0], other.edges[0])
    down = min(one.edges[3], other.edges[3]) - max(one.edges[1], other.edges[1])
    return max(across, 0.0) * max(down, 0.0) >= 0.5 * min(_area(one.edges), _area(other.edges))


def _area(edges: Box) -> float:
    return (edges[2] - edges[0]) * (edges[3] - edges[1])
