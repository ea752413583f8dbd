"""The engine without a framework: gives its inputs back after a set delay. For tests and capacity planning.

``config``: ``delay_s`` is slept for each batch, and ``delay_per_item_s`` for each of its items on top. The sleep takes
no CPU, as a busy accelerator takes none; what is left is the suite's own cost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from services.model_server.engines.engine import EngineOptions, TensorSpec


class EchoEngine:
    """Answers each tensor with itself."""

    max_batch_size = None

    def __init__(self, delay_s: float, delay_per_item_s: float) -> None:
        self.inputs = self.outputs = (TensorSpec("length", np.dtype(np.int32), (None,)),)
        self._delay_s, self._delay_per_item_s = delay_s, delay_per_item_s

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return *tensors* after the delay."""
        items = len(next(iter(tensors.values())))
        delay_s = self._delay_s + items * self._delay_per_item_s
        if delay_s > 0:
            time.sleep(delay_s)
        return dict(tensors)

    def device_bytes(self) -> int:
        """Return 0: there is no device."""
        return 0


def load(files: Sequence[Path], options: EngineOptions) -> EchoEngine:
    """Return an echo with the delays of the model's config; it has no *files*."""
    delays = (float(options.config.get(name, 0.0)) for name in ("delay_s", "delay_per_item_s"))
    return EchoEngine(*delays)
