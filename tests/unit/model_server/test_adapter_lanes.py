"""Masks of lanes to polylines, from near to far, in the image's own pixels."""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np
import pytest

from services.model_server.adapters import Frame
from tests.adapter_models import adapter, answered, points, shapes

FRAME = Frame(1280, 720)
Line = tuple[tuple[int, int], tuple[int, int]]


def drawn(*lines: Line, height: int = 360, width: int = 640) -> dict[str, np.ndarray]:
    mask = np.zeros((height, width), np.uint8)
    for start, end in lines:
        cv2.line(mask, start, end, 1, 3)
    return {"lane_mask": mask}


def lanes(given: dict[str, np.ndarray], frame: Frame = FRAME, **config: Any) -> list[np.ndarray]:
    found = adapter("twinlitenet_lane", **config).predict_json(given, frame, "lane")
    return [points(shape) for shape in shapes(found, "polyline")]


def calls(mask: np.ndarray) -> int:
    """Return how many calls the lines of *mask* take."""
    count = 0

    def seen(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        lanes({"lane_mask": mask})
    finally:
        sys.setprofile(None)
    return count


def dashed() -> np.ndarray:
    """Return 200 dashes on 20 lines."""
    return drawn(*(((20 + 30 * x, y), (22 + 30 * x, y - 15)) for x in range(20) for y in range(350, 0, -35)))[
        "lane_mask"
    ]


def comb() -> np.ndarray:
    """Return 200 lines that hang together at their feet."""
    mask = np.zeros((360, 640), np.uint8)
    mask[:, :600:3] = 1
    mask[-2:] = 1
    return mask


def hatching() -> np.ndarray:
    """Return 5000 short dashes."""
    mask = np.zeros((360, 640), np.uint8)
    mask[:, :400:3] = 1
    mask[::9] = 0
    return mask


def assert_runs(line: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> None:
    np.testing.assert_allclose(line[0], start, atol=8)
    np.testing.assert_allclose(line[-1], end, atol=8)


def test_each_line_is_one_polyline_from_near_to_far_in_the_images_pixels() -> None:
    found = lanes(drawn(((100, 350), (300, 200)), ((500, 300), (340, 200))))

    assert len(found) == 2
    assert_runs(found[0], (200, 700), (600, 400))
    assert_runs(found[1], (1000, 600), (680, 400))


def test_a_frame_of_another_shape_stretches_the_lines_with_it() -> None:
    (line,) = lanes(drawn(((320, 350), (320, 50))), Frame(100, 1000))

    assert set(line[:, 0]) <= {49, 50, 51}
    assert_runs(line, (50, 972), (50, 139))


def test_dashes_of_one_line_are_joined_and_those_of_others_are_not() -> None:
    dashes = [((200 + 10 * at, 350 - 16 * at), (200 + 10 * at + 5, 350 - 16 * at - 8)) for at in range(8)]

    (line,) = lanes(drawn(*dashes))
    apart = lanes(drawn(*dashes), max_gap=0.0, min_length=5)
    parallel = lanes(drawn(((100, 300), (150, 250)), ((400, 240), (450, 190))))

    assert_runs(line, (400, 700), (550, 460))
    assert len(apart) == 8
    assert len(parallel) == 2


def test_lines_that_meet_at_the_horizon_are_two() -> None:
    found = lanes(drawn(((100, 350), (320, 150)), ((540, 350), (320, 150))))

    assert len(found) == 2
    feet = sorted(line[0, 0] for line in found)
    np.testing.assert_allclose(feet, [200, 1080], atol=12)
    for line in found:
        assert line[-1, 1] < 340


def test_a_flat_line_keeps_its_whole_length() -> None:
    (line,) = lanes(drawn(((50, 240), (600, 200))))

    assert_runs(line, (100, 480), (1200, 400))


def test_specks_are_no_lines_and_an_empty_mask_has_none() -> None:
    assert lanes(drawn(((100, 100), (104, 102)))) == []
    assert lanes(drawn()) == []


@pytest.mark.parametrize("mask", [dashed(), comb(), hatching()], ids=["dashed", "comb", "hatching"])
def test_a_mask_full_of_lines_takes_work_by_its_runs_not_by_all_their_pairs(mask: np.ndarray) -> None:
    runs = int((np.diff(mask.astype(np.int8), axis=1, prepend=0) == 1).sum())

    assert calls(mask) < 40 * runs + 100_000


def test_among_thousands_of_dashes_the_longest_are_found() -> None:
    mask = hatching()
    cv2.line(mask, (500, 350), (560, 100), 1, 3)

    (line,) = lanes({"lane_mask": mask})

    assert_runs(line, (1000, 700), (1120, 200))


def test_a_lane_has_the_models_label_and_a_score() -> None:
    found = answered(
        adapter("twinlitenet_lane", labels=("BG", "line")).predict_json(drawn(((9, 300), (99, 100))), FRAME, "lane")
    )

    assert found["regions"][0]["region_attributes"] == {"label": "line", "score": 1.0}


def test_the_ego_lane_gives_its_two_borders() -> None:
    mask = np.zeros((80, 160), np.float32)
    cv2.fillPoly(mask, [np.array([[20, 79], [70, 40], [90, 40], [140, 79]])], 0.9)

    found = adapter("mlnd_lane_fcn").predict_json({"lane_mask": mask}, FRAME, "lane")

    labels = [region["region_attributes"]["label"] for region in answered(found)["regions"]]
    assert labels == ["left border", "right border"]
    left, right = (points(shape) for shape in shapes(found, "polyline"))
    assert_runs(left, (164, 716), (564, 364))
    assert_runs(right, (1124, 716), (724, 364))
    assert answered(found)["regions"][0]["region_attributes"]["score"] == 0.9


def test_where_the_lane_leaves_the_picture_there_is_no_border() -> None:
    mask = np.zeros((80, 160, 1), np.float32)
    mask[40:, :100] = 1.0
    mask[10:14, 120:124] = 1.0

    found = adapter("mlnd_lane_fcn").predict_json({"lane_mask": mask}, FRAME, "lane")

    assert [region["region_attributes"]["label"] for region in answered(found)["regions"]] == ["right border"]
    empty = adapter("mlnd_lane_fcn").predict_json({"lane_mask": np.zeros((80, 160))}, FRAME, "lane")
    assert answered(empty)["regions"] == []
