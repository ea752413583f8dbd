"""Semantic segmentation (``deeplabv3_mnv2``): each connected part of a class becomes one instance.

Takes an image. The model gives, for each image, a class id for each pixel [h,w] or [h,w,1] (or scores [h,w,K], of
which the best counts). Gives, for each part of a class other than ``background``, one rectangle and one polygon: its
outer contour, simplified. Two objects of one class that touch are one part: a network that knows classes only cannot
tell them apart.
The score is the mean of the best class's scores where the model gives scores, else 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chassis.errors import ModelFailed
from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.image_input import ImageReader, Side
from services.model_server.adapters.outlines import OutlineConfig, instance, parts
from services.model_server.adapters.outputs import label, output, plane
from services.model_server.adapters.regions import Region, answer
from services.model_server.engines.engine import TensorSpec
from services.registry.client import Modelinfo


class SegmentationConfig(OutlineConfig, frozen=True, kw_only=True):
    """``config`` of a segmentation model."""

    input_width: Side = 513
    input_height: Side = 513
    segmentation: str = "segmentation"
    background: int = 0


class Segmentation:
    """A model of a class for each pixel."""

    tasks = frozenset({"polygon"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        self._config = read_config(SegmentationConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._reader = ImageReader(self._config, inputs)
        self._labels = modelinfo.classes

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the image as the model's input."""
        return self._reader.read(payload)

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return the parts of every class, class by class, the largest first."""
        class_ids, scores = self._classes(outputs)
        regions: list[Region] = []
        for class_id in np.unique(class_ids).tolist():
            if class_id == self._config.background:
                continue
            name = label(self._labels, int(class_id))
            for part in parts(class_ids == class_id, self._config):
                regions += instance(part, name, 1.0 if scores is None else float(scores[part.inside].mean()), frame)
        return answer(frame, regions)

    def _classes(self, outputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the class ids [h,w], and their scores where the model gives them."""
        name = self._config.segmentation
        if name in outputs and outputs[name].ndim == 3 and outputs[name].shape[2] != 1:
            scores = output(outputs, name, ndim=3)
            if not scores.shape[2]:
                raise ModelFailed(f"the model's output {name!r} has no classes")
            return scores.argmax(axis=2), scores.max(axis=2)
        return plane(outputs, name), None
