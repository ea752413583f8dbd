"""The engine without a framework: gives its inputs back after a set delay. For tests and capacity planning.

``config``: ``delay_s`` is slept for each batch, and ``delay_per_item_s`` for each of its items on top. The sleep takes
no CPU, as a busy accelerator takes none; what is left is the suite's own cost. Two faults can be had on purpose, by a
payload's length: one of ``leak_length`` bytes leaks ``leak_bytes``, one of ``crash_length`` bytes ends the process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from services.model_server.engines.engine import EngineOptions, TensorSpec


class EchoConfig(msgspec.Struct, frozen=True):
    """A model's ``config``; a length of 0 is none."""

    delay_s: float = 0.0
    delay_per_item_s: float = 0.0
    leak_bytes: int = 0
    leak_length: int = 0
    crash_length: int = 0


class EchoEngine:
    """Answers each tensor with itself."""

    max_batch_size = None
    on_accelerator = False

    def __init__(self, config: EchoConfig) -> None:
        self.inputs = self.outputs = (TensorSpec("length", np.dtype(np.int32), (None,)),)
        self._config = config
        self._leaked: list[np.ndarray] = []

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return *tensors* after the delay."""
        config, (lengths,) = self._config, tensors.values()
        delay_s = config.delay_s + len(lengths) * config.delay_per_item_s
        if delay_s > 0:
            time.sleep(delay_s)
        if config.leak_length and config.leak_length in lengths:
            self._leaked.append(np.ones(config.leak_bytes, np.uint8))
        if config.crash_length and config.crash_length in lengths:
            os.abort()
        return dict(tensors)

    def device_bytes(self) -> int:
        """Return 0: there is no device."""
        return 0


def load(files: Sequence[Path], options: EngineOptions) -> EchoEngine:
    """Return an echo as the model's config wants it; it has no *files*."""
    return EchoEngine(msgspec.convert(options.config, EchoConfig))
