"""One foreground against the rest (``selfie_segmentation``): each connected part of it becomes one instance.

Takes an image. The model gives, for each image, the probability [h,w] (or [h,w,1]) that a pixel belongs to the
foreground. Gives one rectangle and one polygon for each part over ``mask_threshold``; its score is the part's mean
probability, its label the last of the modelinfo's ``classes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.image_input import ImageReader, Side
from services.model_server.adapters.outlines import OutlineConfig, instance, parts
from services.model_server.adapters.outputs import plane
from services.model_server.adapters.regions import Region, answer
from services.model_server.adapters.ssd import Fraction
from services.model_server.engines.engine import TensorSpec
from services.registry.client import Modelinfo


class PersonMaskConfig(OutlineConfig, frozen=True, kw_only=True):
    """``config`` of a foreground model."""

    input_width: Side = 256
    input_height: Side = 256
    mask: str = "person_mask"
    mask_threshold: Fraction = 0.5
    min_area: Fraction = 0.005


class PersonMask:
    """A model of one foreground."""

    tasks = frozenset({"polygon"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        self._config = read_config(PersonMaskConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._reader = ImageReader(self._config, inputs)
        self._label = modelinfo.classes[-1] if modelinfo.classes else "person"

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the image as the model's input."""
        return self._reader.read(payload)

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return the foreground's parts, the largest first."""
        probability = plane(outputs, self._config.mask)
        regions: list[Region] = []
        for part in parts(probability >= self._config.mask_threshold, self._config):
            regions += instance(part, self._label, float(probability[part.inside].mean()), frame)
        return answer(frame, regions)
