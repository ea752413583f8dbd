"""Boxes, scores and classes to rectangles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chassis.errors import ModelFailed
from services.model_server.adapters import Frame
from services.model_server.adapters.centernet import suppress
from services.model_server.adapters.ssd import Detections
from tests.adapter_models import adapter, answered, picture, shapes

FRAME = Frame(200, 100)
CLASSES = ("BG", "person", "", "car")


def outputs(*rows: tuple[list[float], float, int]) -> dict[str, np.ndarray]:
    """Return a detector's outputs of one image: box (ymin, xmin, ymax, xmax), score, class id."""
    return {
        "detection_boxes": np.asarray([box for box, _, _ in rows], np.float32).reshape(-1, 4),
        "detection_scores": np.asarray([score for _, score, _ in rows], np.float32),
        "detection_classes": np.asarray([class_id for _, _, class_id in rows], np.float32),
    }


def detect(given: dict[str, np.ndarray], frame: Frame = FRAME, dnnarch: str = "ssd_mobilenet_v2", **config: Any) -> Any:
    return answered(adapter(dnnarch, labels=CLASSES, **config).predict_json(given, frame, "bbox"))


def test_boxes_come_out_in_whole_pixels_of_the_image_best_first() -> None:
    found = detect(outputs(([0.1, 0.2, 0.5, 0.6], 0.6, 3), ([0.0, 0.0, 1.0, 0.5], 0.987654, 1)))

    assert found == {
        "width": 200,
        "height": 100,
        "orientation_applied": False,
        "regions": [
            {
                "region_attributes": {"label": "person", "score": 0.9877},
                "shape_attributes": {"name": "rect", "x": 0, "y": 0, "width": 100, "height": 100},
            },
            {
                "region_attributes": {"label": "car", "score": 0.6},
                "shape_attributes": {"name": "rect", "x": 40, "y": 10, "width": 80, "height": 40},
            },
        ],
    }


def test_boxes_are_clipped_to_the_image_and_those_outside_left_out() -> None:
    given = outputs(([-0.2, 0.9, 0.5, 1.4], 0.9, 1), ([0.2, 1.1, 0.4, 1.3], 0.8, 1), ([0.5, 0.5, 0.5, 0.5], 0.8, 1))

    found = adapter("ssd_mobilenet_v2").predict_json(given, FRAME, "bbox")

    assert shapes(found, "rect") == [{"name": "rect", "x": 180, "y": 0, "width": 20, "height": 50}]


def test_only_scores_over_the_threshold_and_the_best_so_many_count() -> None:
    given = outputs(*(([0, 0, 1, 1], score, 1) for score in (0.5, 0.4999, 0.9, 0.7)))

    assert [row["region_attributes"]["score"] for row in detect(given)["regions"]] == [0.9, 0.7, 0.5]
    assert len(detect(given, max_regions=2)["regions"]) == 2
    assert len(detect(given, score_threshold=0.0)["regions"]) == 4
    assert detect(outputs())["regions"] == []


def test_a_class_without_a_label_is_called_by_its_number() -> None:
    labels = [
        row["region_attributes"]["label"]
        for row in detect(outputs(([0, 0, 1, 1], 0.9, 2), ([0, 0, 1, 1], 0.8, 99)))["regions"]
    ]

    assert labels == ["class 2", "class 99"]


def test_the_names_of_the_outputs_are_settings() -> None:
    given = {name.removeprefix("detection_"): array for name, array in outputs(([0, 0, 1, 1], 0.9, 1)).items()}

    assert len(detect(given, boxes="boxes", scores="scores", classes="classes")["regions"]) == 1
    with pytest.raises(ModelFailed, match="detection_boxes"):
        detect(given)


def test_outputs_that_make_no_sense_are_the_models_failure() -> None:
    good = outputs(([0, 0, 1, 1], 0.9, 1), ([0, 0, 1, 1], 0.8, 1))
    for broken in (
        {**good, "detection_scores": good["detection_scores"][:1]},
        {**good, "detection_boxes": good["detection_boxes"][:, :3]},
        {**good, "detection_scores": np.asarray([0.9, np.nan], np.float32)},
        {**good, "detection_boxes": np.full((2, 4), np.inf, np.float32)},
        {**good, "detection_classes": good["detection_classes"][None]},
    ):
        with pytest.raises(ModelFailed):
            detect(broken)


def test_the_frame_is_that_of_the_image_as_sent() -> None:
    kind = adapter("ssd_mobilenet_v2")
    frame = kind.prepare(picture(64, 48), "bbox").frame

    found = answered(kind.predict_json(outputs(([0, 0, 1, 1], 0.9, 1)), frame, "bbox"))

    assert (found["width"], found["height"]) == (64, 48)
    assert found["regions"][0]["shape_attributes"]["width"] == 64


def test_of_boxes_of_one_class_that_overlap_the_best_stays() -> None:
    boxes = np.asarray([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 1, 0.9], [0, 0, 1, 0.5]], np.float32)
    found = Detections(boxes, np.asarray([0.9, 0.8, 0.7, 0.6]), np.asarray([1, 1, 2, 1]))

    kept = suppress(found, 0.6)

    assert kept.scores.tolist() == [0.9, 0.7, 0.6]
    assert suppress(found, 0.4).scores.tolist() == [0.9, 0.7]
    assert suppress(found, 1.0).scores.tolist() == [0.9, 0.8, 0.7, 0.6]
    nothing = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, int))
    assert suppress(nothing, 0.5).scores.tolist() == []


def test_centernet_thins_its_boxes_out() -> None:
    given = outputs(([0, 0, 1, 1], 0.9, 1), ([0, 0, 1, 0.95], 0.8, 1), ([0, 0, 0.2, 0.2], 0.29, 1))

    assert len(detect(given, dnnarch="mb3_centernet")["regions"]) == 1
    assert len(detect(given, dnnarch="mb3_centernet", score_threshold=0.2, iou_threshold=1.0)["regions"]) == 3
