"""Engines and an adapter written by hand, for what real ones do too rarely: fail, give NaN, take their time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np

from chassis.errors import Undecodable
from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.engines.engine import TensorSpec

Infer = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


class NumberEngine:
    """Takes one number for each item and answers what *infer* makes of them; by default twice the number."""

    on_accelerator = False

    def __init__(self, infer: Infer | None = None, *, max_batch_size: int | None = None) -> None:
        self.inputs = self.outputs = (TensorSpec("number", np.dtype(np.float32), (None,)),)
        self.max_batch_size = max_batch_size
        self.batch_sizes: list[int] = []
        self.most_side_by_side = 0
        self._running = 0
        self._lock = threading.Lock()
        self._infer = infer or (lambda tensors: {"double": 2 * tensors["number"]})

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with self._lock:
            self._running += 1
            self.most_side_by_side = max(self.most_side_by_side, self._running)
            self.batch_sizes.append(len(tensors["number"]))
        try:
            return self._infer(tensors)
        finally:
            with self._lock:
                self._running -= 1

    def device_bytes(self) -> int:
        return 0


class NumberAdapter:
    """Reads a payload like ``b"3"`` as that number, ``b"1 2"`` as two, and answers with the doubled ones as text."""

    tasks = frozenset({"bbox"})

    def prepare(self, payload: bytes, task: str) -> Prepared:
        try:
            numbers = [float(text) for text in payload.split()]
        except ValueError as error:
            raise Undecodable("not a number") from error
        if payload == b"0":
            raise ZeroDivisionError("a bug in an adapter")
        number = np.float32(numbers[0]) if len(numbers) == 1 else np.asarray(numbers, np.float32)
        return Prepared({"number": np.asarray(number)}, Frame(1, 1))

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        return b" ".join(b"%g" % number for number in np.atleast_1d(outputs["double"]))
