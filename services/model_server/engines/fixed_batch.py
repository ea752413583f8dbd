"""Models that were exported for batches of one size: smaller ones are filled up for them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from services.model_server.engines.engine import Engine


def for_any_batch(engine: Engine) -> Engine:
    """Return *engine* itself, or where its batches have one size, what runs smaller ones on it as well."""
    sizes = [spec.shape[0] for spec in engine.inputs if spec.shape and spec.shape[0]]
    return FixedBatch(engine, sizes[0]) if sizes and sizes[0] > 1 else engine


class FixedBatch:
    """Fills batches for *engine* up to its *size* with their last item, and leaves out what comes of that.

    It is an item and no zeros, which a model may dislike.
    """

    max_batch_size: int | None

    def __init__(self, engine: Engine, size: int) -> None:
        self.inputs, self.outputs, self.max_batch_size = engine.inputs, engine.outputs, size
        self.on_accelerator = engine.on_accelerator
        self._engine, self._size = engine, size

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch of at most that size."""
        items = len(next(iter(tensors.values())))
        outputs = self._engine.infer({name: _filled(array, self._size) for name, array in tensors.items()})
        return {name: _cut(array, self._size, items) for name, array in outputs.items()}

    def device_bytes(self) -> int:
        """Return what the engine takes on its accelerator."""
        return self._engine.device_bytes()


def _filled(array: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing > 0 else array


def _cut(array: np.ndarray, size: int, items: int) -> np.ndarray:
    """Return the outputs of the first *items*; what is not of the whole batch is the model's failure, and stays."""
    return array[:items] if array.ndim and len(array) == size else array
