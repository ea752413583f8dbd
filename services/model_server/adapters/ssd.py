"""Detectors that give finished boxes, as TensorFlow's SSD exports do (``ssd_mobilenet_v2``).

Takes an image. The model gives, for each image, N boxes [N,4] (ymin, xmin, ymax, xmax from 0 to 1), their scores [N]
and class ids [N]; the names are settings. Gives one rectangle for each box with a score of at least
``score_threshold``, the best first, in pixels of the image as sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np

from chassis.errors import ModelFailed
from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.image_input import ImageInput, ImageReader
from services.model_server.adapters.outputs import label, output
from services.model_server.adapters.regions import Region, answer, rect, region
from services.model_server.engines.engine import TensorSpec
from services.model_server.images import Resize
from services.registry.client import Modelinfo

Fraction = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class SsdConfig(ImageInput, frozen=True, kw_only=True):
    """``config`` of such a detector; class ids index the modelinfo's ``classes``."""

    resize: Resize = "bilinear_tf1"
    boxes: str = "detection_boxes"
    scores: str = "detection_scores"
    classes: str = "detection_classes"
    score_threshold: Fraction = 0.5
    max_regions: Annotated[int, msgspec.Meta(ge=1)] = 100


class Detections(msgspec.Struct, frozen=True):
    """The boxes of one image: [N,4] as ymin, xmin, ymax, xmax from 0 to 1, scores [N], class ids [N], best first."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


class Ssd:
    """A detector whose outputs are boxes, scores and classes."""

    tasks = frozenset({"bbox"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        self._config = read_config(SsdConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._reader = ImageReader(self._config, inputs)
        self._labels = modelinfo.classes

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the image as the model's input."""
        return self._reader.read(payload)

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return one rectangle for each detection."""
        return answer(frame, rectangles(detections(outputs, self._config), self._labels, frame))


def detections(outputs: Mapping[str, np.ndarray], config: SsdConfig) -> Detections:
    """Return what is in *outputs* with a score over the threshold, best first, at most ``max_regions``."""
    boxes = output(outputs, config.boxes, ndim=2)
    scores = output(outputs, config.scores, ndim=1)
    class_ids = output(outputs, config.classes, ndim=1)
    if boxes.shape != (len(scores), 4) or len(class_ids) != len(scores):
        raise ModelFailed(f"the model gives {boxes.shape} boxes, {scores.shape} scores, {class_ids.shape} classes")
    order = np.argsort(-scores, kind="stable")
    kept = order[scores[order] >= config.score_threshold][: config.max_regions]
    return Detections(boxes[kept], scores[kept], class_ids[kept].astype(np.int64))


def rectangles(found: Detections, labels: tuple[str, ...], frame: Frame) -> list[Region]:
    """Return *found* as regions in pixels; a box without area inside the image is left out."""
    scale = np.asarray([frame.height, frame.width, frame.height, frame.width], np.float64)
    regions = []
    for (top, left, bottom, right), score, class_id in zip(
        (found.boxes * scale).tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
    ):
        shape = rect((left, top, right, bottom), frame)
        if shape is not None:
            regions.append(region(label(labels, class_id), score, shape))
    return regions
