"""The area of the lane that one drives in (``mlnd_lane_fcn``): its left and right borders as polylines.

Takes an image. The model gives, for each image, how much each pixel belongs to the lane, [h,w] (or [h,w,1]), from 0 to
1. The largest connected part over ``mask_threshold`` counts. Gives two polylines, ``left border`` and ``right border``,
from near to far, in pixels of the image as sent; where the lane leaves the picture at a side, that border has no points
there. The score is the part's mean value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.image_input import Fold, ImageReader, Side
from services.model_server.adapters.outlines import OutlineConfig, Part, parts, to_image
from services.model_server.adapters.outputs import plane
from services.model_server.adapters.regions import Polyline, answer, region
from services.model_server.adapters.ssd import Fraction
from services.model_server.engines.engine import TensorSpec
from services.model_server.images import Resize
from services.registry.client import Modelinfo


class EgoLaneConfig(OutlineConfig, frozen=True, kw_only=True):
    """``config`` of an ego-lane model; its input is so small that nearly every JPEG would be decoded scaled."""

    input_width: Side = 160
    input_height: Side = 80
    resize: Resize = "bilinear_antialias"
    mask: str = "lane_mask"
    mask_threshold: Fraction = 0.5
    min_area: Fraction = 0.01
    scaled_decoding: Fold = 0


class EgoLane:
    """A model of the ego lane's area."""

    tasks = frozenset({"lane"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        self._config = read_config(EgoLaneConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._reader = ImageReader(self._config, inputs)

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the image as the model's input."""
        return self._reader.read(payload)

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return the two borders of the lane, if there is one."""
        mask = plane(outputs, self._config.mask)
        found = parts(mask >= self._config.mask_threshold, self._config)[:1]
        regions = [
            region(side, min(float(mask[part.inside].mean()), 1.0), Polyline(*to_image(line, mask.shape, frame)))
            for part in found
            for side, line in borders(part, self._config.simplify).items()
        ]
        return answer(frame, regions)


def borders(part: Part, simplify: float) -> dict[str, np.ndarray]:
    """Return the left and the right border of *part* as points [N,2] of x and y, where there are two points or more."""
    width = part.inside.shape[1]
    rows = np.flatnonzero(part.inside.any(axis=1))[::-1]
    inside = part.inside[rows]
    left, right = inside.argmax(axis=1), width - 1 - inside[:, ::-1].argmax(axis=1)
    sides = {
        "left border": np.stack([left, rows], axis=1)[left > 0],
        "right border": np.stack([right, rows], axis=1)[right < width - 1],
    }
    return {
        side: cv2.approxPolyDP(line.astype(np.float32).reshape(-1, 1, 2), simplify, False).reshape(-1, 2)
        for side, line in sides.items()
        if len(line) >= 2
    }
