"""Adapters for tests, and the regions of their answers."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from services.model_server.adapters import Adapter, adapter_for
from services.model_server.engines.engine import TensorSpec
from services.registry.client import Modelinfo

FLOAT_IMAGE = (TensorSpec("image", np.dtype(np.float32), (None, None, None, 3)),)


def adapter(
    dnnarch: str, *, inputs: Sequence[TensorSpec] = FLOAT_IMAGE, labels: Sequence[str] = (), **config: Any
) -> Adapter:
    modelinfo = Modelinfo(
        org_name="acme",
        problem_id="test",
        rel_num="1",
        task="bbox",
        dnnarch=dnnarch,
        framework_type="echo",
        classes=tuple(labels),
        config=config,
    )
    return adapter_for(modelinfo, inputs)


def picture(width: int = 64, height: int = 48) -> bytes:
    file = io.BytesIO()
    rows, columns = np.mgrid[0:height, 0:width]
    shades = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=-1)
    Image.fromarray(shades.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def answered(document: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(document)
    return parsed


def shapes(document: bytes, name: str) -> list[dict[str, Any]]:
    """Return the shapes called *name*, in order."""
    found = [region["shape_attributes"] for region in answered(document)["regions"]]
    return [shape for shape in found if shape["name"] == name]


def points(shape: dict[str, Any]) -> np.ndarray:
    return np.stack([shape["all_points_x"], shape["all_points_y"]], axis=1)
