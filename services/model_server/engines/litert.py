"""LiteRT (TensorFlow Lite), the light engine for CPUs. The only file that imports it.

An interpreter serves one execution at a time, so there are as many as executions side by side, the guest's included;
the weights are mapped from their file and shared. Quantised outputs are given as real numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.model_server.engines.engine import EngineOptions, TensorSpec, the_one_file
from services.model_server.engines.idle import Idle
from services.model_server.engines.litert_names import Names, by_name, names_of


class LitertEngine:
    """Interpreters of one model."""

    max_batch_size: int | None
    on_accelerator = False

    def __init__(self, interpreters: Sequence[Any]) -> None:
        first = interpreters[0]
        self._names = names_of(first)
        self.max_batch_size = None if _takes_batches(first) else int(first.get_input_details()[0]["shape"][0])
        self.inputs = tuple(
            _spec(name, detail, self.max_batch_size, detail["dtype"])
            for name, detail in by_name(self._names.inputs, first.get_input_details()).items()
        )
        self.outputs = tuple(
            _spec(name, detail, self.max_batch_size, np.float32 if _quantised(detail) else detail["dtype"])
            for name, detail in by_name(self._names.outputs, first.get_output_details()).items()
        )
        self._idle = Idle(interpreters)

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch on an idle interpreter."""
        with self._idle.one() as interpreter:
            return _invoke(interpreter, self._names, tensors)

    def device_bytes(self) -> int:
        """Return 0: this engine runs on the CPU."""
        return 0


def _spec(name: str, detail: Mapping[str, Any], batch: int | None, dtype: Any) -> TensorSpec:
    sizes = [None if size < 0 else int(size) for size in detail["shape_signature"]]
    return TensorSpec(name, np.dtype(dtype), (batch, *sizes[1:]))


def _quantised(detail: Mapping[str, Any]) -> bool:
    return detail["dtype"] in (np.uint8, np.int8) and detail["quantization"][0] != 0.0


def _takes_batches(interpreter: Any) -> bool:
    """Return whether a batch of two goes through *interpreter* as two; leaves it as it was."""
    details = interpreter.get_input_details()
    shapes = {detail["index"]: [int(size) for size in detail["shape"]] for detail in details}
    try:
        _resize(interpreter, {index: [2, *shape[1:]] for index, shape in shapes.items()})
        interpreter.invoke()
        return all(len(detail["shape"]) and detail["shape"][0] == 2 for detail in interpreter.get_output_details())
    except (RuntimeError, ValueError):
        return False
    finally:
        _resize(interpreter, shapes)


def _resize(interpreter: Any, shapes: Mapping[int, Sequence[int]]) -> None:
    for index, shape in shapes.items():
        interpreter.resize_tensor_input(index, list(shape))
    interpreter.allocate_tensors()


def _invoke(interpreter: Any, names: Names, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    given = by_name(names.inputs, interpreter.get_input_details())
    inputs = {name: detail for name, detail in given.items() if name in tensors}
    if any(tuple(detail["shape"]) != tensors[name].shape for name, detail in inputs.items()):
        _resize(interpreter, {detail["index"]: tensors[name].shape for name, detail in inputs.items()})
    for name, detail in inputs.items():
        interpreter.set_tensor(detail["index"], tensors[name])
    interpreter.invoke()
    outputs = by_name(names.outputs, interpreter.get_output_details())
    return {name: _real(interpreter.get_tensor(detail["index"]), detail) for name, detail in outputs.items()}


def _real(array: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    """Return *array* as real numbers where it is quantised."""
    if not _quantised(detail):
        return array
    scale, zero = detail["quantization"]
    real: np.ndarray = (array.astype(np.float32) - zero) * np.float32(scale)
    return real


def load(files: Sequence[Path], options: EngineOptions) -> LitertEngine:
    """Return interpreters of the one ``.tflite`` among *files*."""
    from ai_edge_litert.interpreter import Interpreter

    path = str(the_one_file(files, ".tflite"))
    interpreters = [Interpreter(model_path=path, num_threads=options.threads) for _ in range(options.side_by_side)]
    for interpreter in interpreters:
        interpreter.allocate_tensors()
    return LitertEngine(interpreters)
