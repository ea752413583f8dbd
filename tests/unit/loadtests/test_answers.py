"""Whether an answer under load is the right one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from loadtests.answers import difference, told_of


def _rect(x: int, *, label: str = "cup", score: float = 0.9) -> dict[str, Any]:
    return {
        "region_attributes": {"label": label, "score": score},
        "shape_attributes": {"name": "rect", "x": x, "y": 2, "width": 30, "height": 40},
    }


def _told(*regions: dict[str, Any], **more: Any) -> dict[str, Any]:
    size = {"width": 640, "height": 480}
    return {"filename": "a.jpg", "size": 9, "file_attributes": size, "regions": list(regions), **more}


def test_an_answer_about_another_picture_is_wrong() -> None:
    envelope = {"result": {"a.jpg": _told()}}

    assert told_of(envelope, "a.jpg", 9) == _told()
    with pytest.raises(ValueError, match="no result"):
        told_of(envelope, "b.jpg", 9)
    with pytest.raises(ValueError, match="has 10 bytes"):
        told_of(envelope, "a.jpg", 10)


def test_small_differences_of_a_batch_are_none() -> None:
    moved = _told(_rect(11, score=0.895), _rect(99))

    assert difference(moved, _told(_rect(99), _rect(10))) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        _told(_rect(10)),
        _told(_rect(10), _rect(60, label="dog")),
        _told(_rect(10), _rect(66)),
        _told(_rect(10), _rect(60, score=0.7)),
        _told(_rect(10), _rect(60), _rect(60)),
    ],
)
def test_a_region_missing_moved_or_renamed_is_told(wrong: dict[str, Any]) -> None:
    assert "region" in difference(wrong, _told(_rect(10), _rect(60)))


def test_another_class_or_size_is_told() -> None:
    cat = _told(classes=[{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}])
    dog, small = copy.deepcopy(cat), copy.deepcopy(cat)
    dog["classes"][0]["label"] = "dog"
    small["file_attributes"]["width"] = 64

    assert "classes" in difference(dog, cat)
    assert "width" in difference(small, cat)
    assert difference(cat, cat) == ""
