"""Lane lines as a mask (``twinlitenet_lane``): one polyline for each line.

Takes an image. The model gives, for each image, a mask [h,w] of the lines' pixels (0 and 1, or probabilities). Gives
one polyline for each line, the longest first, from near to far, in pixels of the image as sent; dashes of one line are
joined (lane_traces.py). The score is the mean of all the lines' pixels, which is 1 for a mask of 0 and 1; the label is
the last of the modelinfo's ``classes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.image_input import ImageReader, Side
from services.model_server.adapters.lane_traces import TraceConfig, traces
from services.model_server.adapters.outlines import to_image
from services.model_server.adapters.outputs import plane
from services.model_server.adapters.regions import Polyline, answer, region
from services.model_server.adapters.ssd import Fraction
from services.model_server.engines.engine import TensorSpec
from services.model_server.images import Resize
from services.registry.client import Modelinfo


class LaneLinesConfig(TraceConfig, frozen=True, kw_only=True):
    """``config`` of a lane line model."""

    input_width: Side = 640
    input_height: Side = 360
    resize: Resize = "bilinear_antialias"
    mask: str = "lane_mask"
    mask_threshold: Fraction = 0.5


class LaneLines:
    """A model of lane lines."""

    tasks = frozenset({"lane"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        self._config = read_config(LaneLinesConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._reader = ImageReader(self._config, inputs)
        self._label = modelinfo.classes[-1] if modelinfo.classes else "lane"

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the image as the model's input."""
        return self._reader.read(payload)

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return one polyline for each line."""
        mask = plane(outputs, self._config.mask)
        inside = (mask > 0) & (mask >= self._config.mask_threshold)
        score = min(float(mask[inside].mean()), 1.0) if inside.any() else 0.0
        lines = [Polyline(*to_image(line, mask.shape, frame)) for line in traces(inside, self._config)]
        return answer(frame, [region(self._label, score, line) for line in lines])
