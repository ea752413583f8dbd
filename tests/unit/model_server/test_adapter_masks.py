"""Masks to instances: one rectangle and one polygon for each connected part."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from chassis.errors import ModelFailed
from services.model_server.adapters import Frame
from tests.adapter_models import adapter, answered, points, shapes

CLASSES = ("BG", "cat", "dog")


def mask() -> np.ndarray:
    """Return class ids [60,80]: a square cat, a round dog, and one lost pixel."""
    ids = np.zeros((60, 80), np.uint8)
    ids[10:30, 5:25] = 1
    cv2.circle(ids, (60, 30), 15, 2, -1)
    ids[55, 2] = 1
    return ids


def filled(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [polygon.astype(np.int32)], 1)
    return canvas.astype(bool)


@pytest.mark.parametrize("channels", [(), (1,)])
def test_each_connected_part_is_one_rectangle_and_one_polygon(channels: tuple[int, ...]) -> None:
    found = adapter("deeplabv3_mnv2", labels=CLASSES, min_area=0.01).predict_json(
        {"segmentation": mask().reshape(60, 80, *channels)}, Frame(80, 60), "polygon"
    )

    regions = answered(found)["regions"]
    assert [row["region_attributes"]["label"] for row in regions] == ["cat", "cat", "dog", "dog"]
    assert [row["shape_attributes"]["name"] for row in regions] == ["rect", "polygon"] * 2
    assert shapes(found, "rect")[0] == {"name": "rect", "x": 5, "y": 10, "width": 20, "height": 20}
    assert sorted(map(tuple, points(shapes(found, "polygon")[0]).tolist())) == [(5, 10), (5, 29), (24, 10), (24, 29)]


def test_a_polygon_covers_its_part_in_the_images_own_pixels() -> None:
    frame = Frame(800, 300)
    found = adapter("deeplabv3_mnv2", labels=CLASSES, min_area=0.01).predict_json(
        {"segmentation": mask()}, frame, "polygon"
    )
    large = cv2.resize(mask(), (800, 300), interpolation=cv2.INTER_NEAREST)

    for class_id, polygon in zip((1, 2), shapes(found, "polygon"), strict=True):
        outline, whole = filled(points(polygon), (300, 800)), (large == class_id)
        assert (outline & whole).sum() / (outline | whole).sum() > 0.85


def test_parts_that_touch_at_a_corner_are_one_and_holes_are_not_drawn() -> None:
    ids = np.zeros((40, 40), np.uint8)
    ids[5:15, 5:15] = 1
    ids[15:25, 15:25] = 1
    ids[8:12, 8:12] = 0

    found = adapter("deeplabv3_mnv2").predict_json({"segmentation": ids}, Frame(40, 40), "polygon")

    assert shapes(found, "rect") == [{"name": "rect", "x": 5, "y": 5, "width": 20, "height": 20}]
    assert len(shapes(found, "polygon")) == 1


def test_small_parts_are_left_out_and_the_largest_so_many_stay() -> None:
    ids = np.zeros((100, 100), np.uint8)
    for at, side in enumerate((2, 5, 8, 12)):
        ids[5 : 5 + side, 5 + at * 20 : 5 + at * 20 + side] = 1
    given = {"segmentation": ids}

    def widths(**config: float) -> list[int]:
        found = adapter("deeplabv3_mnv2", **config).predict_json(given, Frame(100, 100), "polygon")
        return [shape["width"] for shape in shapes(found, "rect")]

    assert widths() == [12, 8, 5]
    assert widths(min_area=0.005) == [12, 8]
    assert widths(max_regions=1) == [12]
    assert widths(min_area=0.0) == [12, 8, 5, 2]


def test_scores_for_each_class_give_the_best_class_and_its_mean_score() -> None:
    scores = np.zeros((20, 20, 3), np.float32)
    scores[..., 0] = 0.4
    scores[:, 10:, 2] = 0.8

    found = answered(
        adapter("deeplabv3_mnv2", labels=CLASSES).predict_json({"segmentation": scores}, Frame(20, 20), "polygon")
    )

    assert found["regions"][0]["region_attributes"] == {"label": "dog", "score": 0.8}
    assert found["regions"][0]["shape_attributes"] == {"name": "rect", "x": 10, "y": 0, "width": 10, "height": 20}


@pytest.mark.parametrize("channels", [(), (1,)])
def test_a_foreground_gives_its_parts_with_their_mean_probability(channels: tuple[int, ...]) -> None:
    probability = np.zeros((32, 32), np.float32)
    probability[4:12, 4:12] = 0.75
    probability[20:30, 20:30] = 0.45

    found = adapter("selfie_segmentation").predict_json(
        {"person_mask": probability.reshape(32, 32, *channels)}, Frame(64, 64), "polygon"
    )

    regions = answered(found)["regions"]
    assert {row["region_attributes"]["label"] for row in regions} == {"person"}
    assert [row["region_attributes"]["score"] for row in regions] == [0.75, 0.75]
    assert shapes(found, "rect") == [{"name": "rect", "x": 8, "y": 8, "width": 16, "height": 16}]


def test_nothing_found_is_no_region_and_nonsense_the_models_failure() -> None:
    person = adapter("selfie_segmentation")

    assert (
        answered(person.predict_json({"person_mask": np.zeros((8, 8), np.float32)}, Frame(8, 8), "polygon"))["regions"]
        == []
    )
    for broken in ({}, {"person_mask": np.full((8, 8), np.nan)}, {"person_mask": np.zeros((8, 8, 2))}):
        with pytest.raises(ModelFailed):
            person.predict_json(broken, Frame(8, 8), "polygon")
    with pytest.raises(ModelFailed):
        adapter("deeplabv3_mnv2").predict_json({"segmentation": np.zeros(8)}, Frame(8, 8), "polygon")
