"""How far two models' answers are from each other, and what of it is let pass."""

from __future__ import annotations

from typing import Any

import pytest

from services.jobs.conversion.deviations import TOLERANCES, Deviations, Tolerance, deviations

TOLERANCE = Tolerance(score=0.05, pixels=2.0, share=0.0)


def rect(label: str, score: float, x: int, y: int = 10, side: int = 30) -> dict[str, Any]:
    shape = {"name": "rect", "x": x, "y": y, "width": side, "height": side}
    return {"region_attributes": {"label": label, "score": score}, "shape_attributes": shape}


def compared(one: list[Any], other: list[Any], tolerance: Tolerance = TOLERANCE) -> Deviations:
    return deviations([("a.jpg", {"regions": one}, {"regions": other})], {}, threshold=0.5, tolerance=tolerance)


def test_answers_that_are_the_same_do_not_differ() -> None:
    told = compared([rect("dog", 0.9, 10), rect("dog", 0.8, 60)], [rect("dog", 0.8, 60), rect("dog", 0.9, 10)])

    assert (told.things, told.score, told.pixels, told.differing) == (2, 0, 0, 0)
    assert told.faults(TOLERANCE) == []


def test_the_largest_difference_is_told() -> None:
    told = compared([rect("dog", 0.9, 10), rect("cat", 0.9, 60)], [rect("dog", 0.87, 13), rect("cat", 0.8, 61)])

    assert told.score == pytest.approx(0.1)
    assert told.pixels == 3
    assert len(told.faults(TOLERANCE)) == 2


def test_a_thing_that_only_one_finds_is_named() -> None:
    told = compared([rect("dog", 0.9, 10)], [rect("dog", 0.9, 10), rect("cat", 0.7, 60)])

    assert (told.lost, told.gained) == ((), ("cat 0.70 in a.jpg",))
    assert told.faults(TOLERANCE) == ["1 of 1 things are lost or new: gained cat 0.70 in a.jpg"]


def test_a_thing_just_above_the_threshold_may_miss() -> None:
    told = compared([rect("dog", 0.9, 10), rect("cat", 0.53, 60)], [rect("dog", 0.9, 10)])

    assert told.differing == 0
    assert told.score == pytest.approx(0.03)


def test_another_label_is_another_thing() -> None:
    told = compared([rect("dog", 0.9, 10)], [rect("cat", 0.9, 10)])

    assert (told.lost, told.gained) == (("dog 0.90 in a.jpg",), ("cat 0.90 in a.jpg",))


def test_a_share_of_the_things_may_be_let_go() -> None:
    one, other = [rect("dog", 0.9, 40 * at) for at in range(20)], [rect("dog", 0.9, 40 * at) for at in range(19)]

    assert compared(one, other).faults(Tolerance(share=0.05)) == []
    assert compared(one, other).faults(Tolerance(share=0.04)) != []


def test_classes_of_whole_pictures_are_compared_by_the_first_guess() -> None:
    def answer(label: str, score: float) -> dict[str, Any]:
        return {"regions": [], "classes": [{"label": label, "score": score}, {"label": "other", "score": 0.01}]}

    pairs = [("a", answer("cat", 0.9), answer("cat", 0.88)), ("b", answer("cat", 0.9), answer("dog", 0.9))]

    told = deviations(pairs, {"probs": 0.02}, threshold=0.3, tolerance=TOLERANCE)

    assert told.score == pytest.approx(0.02)
    assert told.lost == ("cat 0.90 in b",)
    assert told.tensors == {"probs": 0.02}


def guesses(*pairs: tuple[str, float]) -> dict[str, Any]:
    return {"regions": [], "classes": [{"label": label, "score": score} for label, score in pairs]}


def classified(one: dict[str, Any], other: dict[str, Any]) -> Deviations:
    return deviations([("a.jpg", one, other)], {}, threshold=0.9, tolerance=TOLERANCE)


@pytest.mark.parametrize(
    "source", [guesses(("cat", 0.92), ("dog", 0.05)), guesses(("cat", 0.92)), guesses(("cat", 0.5), ("dog", 0.4))]
)
def test_another_first_guess_is_no_matter_of_a_threshold(source: dict[str, Any]) -> None:
    told = classified(source, guesses(("dog", 0.4), ("cat", 0.3)))

    assert (told.things, told.differing, told.gained) == (1, 2, ("dog 0.40 in a.jpg",))
    assert told.faults(TOLERANCE)


def test_first_guesses_that_the_source_hardly_tells_apart_may_change_places() -> None:
    source = guesses(("cat", 0.48), ("dog", 0.45), ("cow", 0.07))

    changed, surer = (
        classified(source, guesses(("dog", 0.47), ("cat", 0.46))),
        classified(source, guesses(("dog", 0.9))),
    )

    assert (changed.differing, changed.score) == (0, pytest.approx(0.02))
    assert changed.faults(TOLERANCE) == []
    assert (surer.differing, surer.score) == (0, pytest.approx(0.45))
    assert surer.faults(TOLERANCE)


def test_a_first_guess_that_only_one_has_is_lost_or_gained() -> None:
    assert classified(guesses(("cat", 0.9)), guesses()).lost == ("cat 0.90 in a.jpg",)
    assert classified(guesses(), guesses(("cat", 0.9))).gained == ("cat 0.90 in a.jpg",)


def test_polygons_are_compared_by_what_surrounds_them() -> None:
    def polygon(by: int) -> dict[str, Any]:
        shape = {"name": "polygon", "all_points_x": [10, 60 + by, 60], "all_points_y": [10, 10, 50]}
        return {"region_attributes": {"label": "dog", "score": 1.0}, "shape_attributes": shape}

    assert compared([polygon(0)], [polygon(4)]).pixels == 4


def test_less_precision_is_let_pass_more() -> None:
    fp32, fp16, int8 = (TOLERANCES[name] for name in ("fp32", "fp16", "int8"))

    assert fp32.score < fp16.score < int8.score
    assert fp32.pixels < fp16.pixels < int8.pixels
    assert fp32.share == 0
