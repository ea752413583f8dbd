"""Detectors without non-maximum suppression of their own (``mb3_centernet``).

Takes an image. The model gives finished boxes as in ssd.py, but several for one object: of two boxes of one class that
overlap by more than ``iou_threshold`` the better one stays. Gives one rectangle for each that is left, best first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.image_input import ImageReader, Side
from services.model_server.adapters.regions import answer
from services.model_server.adapters.ssd import Detections, Fraction, SsdConfig, detections, rectangles
from services.model_server.engines.engine import TensorSpec
from services.model_server.images import Resize
from services.registry.client import Modelinfo


class CenternetConfig(SsdConfig, frozen=True, kw_only=True):
    """``config`` of such a detector."""

    input_width: Side = 512
    input_height: Side = 512
    resize: Resize = "bilinear"
    score_threshold: Fraction = 0.3
    iou_threshold: Fraction = 0.6


class Centernet:
    """A detector whose boxes are still to be thinned out."""

    tasks = frozenset({"bbox"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        self._config = read_config(CenternetConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._reader = ImageReader(self._config, inputs)
        self._labels = modelinfo.classes

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the image as the model's input."""
        return self._reader.read(payload)

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return one rectangle for each detection that no better one covers."""
        found = suppress(detections(outputs, self._config), self._config.iou_threshold)
        return answer(frame, rectangles(found, self._labels, frame))


def suppress(found: Detections, iou_threshold: float) -> Detections:
    """Return *found* (best first) without those that overlap a better one of their class by more than the threshold."""
    kept: list[int] = []
    for candidate in range(len(found.scores)):
        rivals = [other for other in kept if found.class_ids[other] == found.class_ids[candidate]]
        if not rivals or _overlaps(found.boxes[candidate], found.boxes[rivals]).max() <= iou_threshold:
            kept.append(candidate)
    return Detections(found.boxes[kept], found.scores[kept], found.class_ids[kept])


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of *box* [4] with each of *others* [N,4]."""
    upper, lower = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(lower - upper, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(shared / np.maximum(areas - shared, np.finfo(np.float32).tiny))
