"""The adapter of the ``echo`` engine: any bytes in, their length and checksum out. For tests and capacity planning.

Takes any payload for any task of an image model. Gives the tensor ``length`` (int32 scalar) to the engine, and answers
``{"width": 0, "height": 0, "orientation_applied": false, "regions": [], "classes": [{"label": CRC32, "score": 1.0}],
"bytes": N}``: cheap, and enough to tell that the answer belongs to the payload.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.engines.engine import TensorSpec
from services.registry.client import Modelinfo

_ANSWER = (
    '{"width":0,"height":0,"orientation_applied":false,"regions":[],'
    '"classes":[{"label":"%08x","score":1.0}],"bytes":%d}'
)


class EchoConfig(msgspec.Struct, frozen=True):
    """``config`` of an echo model, all of it the engine's (engines/echo.py)."""

    delay_s: float = 0.0
    delay_per_item_s: float = 0.0
    leak_bytes: int = 0
    leak_length: int = 0
    crash_length: int = 0


class Echo:
    """Echoes."""

    tasks = frozenset({"bbox", "polygon", "lane", "classify"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        read_config(EchoConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the payload's length as a tensor."""
        length = np.asarray(len(payload), np.int32)
        return Prepared({"length": length}, Frame(0, 0, context=(len(payload), zlib.crc32(payload))))

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return what was echoed."""
        length, checksum = frame.context
        return (_ANSWER % (checksum, length)).encode()
