"""ONNX Runtime, on CUDA where its provider is installed, else on the CPU. The only file that imports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chassis.errors import BadRequest
from services.model_server.engines.engine import EngineOptions, TensorSpec, the_one_file

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(uint32)": np.uint32,
    "tensor(int32)": np.int32,
    "tensor(uint64)": np.uint64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_OUT_OF_MEMORY = ("bad_alloc", "Failed to allocate memory", "out of memory")


class OnnxEngine:
    """A session, which many threads may run at a time."""

    max_batch_size: int | None

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self._names = [spec.name for spec in self.outputs]
        self.on_accelerator = session.get_providers()[0] != "CPUExecutionProvider"
        self.max_batch_size = next((spec.shape[0] for spec in self.inputs if spec.shape and spec.shape[0]), None)

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch; raises BadRequest for BYTES that are no text."""
        given = {name: _texts(name, array) if array.dtype == object else array for name, array in tensors.items()}
        try:
            return dict(zip(self._names, self._session.run(self._names, given), strict=True))
        except Exception as error:
            if any(sign in str(error) for sign in _OUT_OF_MEMORY):
                raise MemoryError(f"ONNX Runtime ran out of memory: {str(error)[:200]}") from error
            raise

    def device_bytes(self) -> int:
        """Return 0: ONNX Runtime does not tell what its arena holds on a GPU."""
        return 0


def _spec(node: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
    return TensorSpec(node.name, np.dtype(_DTYPES[node.type]), shape)


def _texts(name: str, array: np.ndarray) -> np.ndarray:
    """Return BYTES as the texts that they are: of other objects ONNX Runtime would take what Python prints for them."""
    try:
        texts = [value.decode() for value in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise BadRequest(f"input {name!r}: its BYTES are not all UTF-8, and ONNX knows only text") from error
    return np.array(texts, object).reshape(array.shape)


def _providers(available: Sequence[str], options: EngineOptions) -> list[Any]:
    """Return CUDA, its arena held to the cap, before the CPU, of those that are *available*."""
    cuda = {"arena_extend_strategy": "kSameAsRequested"}
    if options.device_cap_bytes:
        cuda["gpu_mem_limit"] = str(options.device_cap_bytes)
    wanted: list[Any] = [("CUDAExecutionProvider", cuda), ("CPUExecutionProvider", {})]
    return [provider for provider in wanted if provider[0] in available]


def load(files: Sequence[Path], options: EngineOptions) -> OnnxEngine:
    """Return a session of the one ``.onnx`` among *files*."""
    import onnxruntime as ort

    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = 3
    # Threads that spin while they wait take the cores from the executions beside them.
    session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _providers(ort.get_available_providers(), options)
    return OnnxEngine(ort.InferenceSession(str(the_one_file(files, ".onnx")), session_options, providers=providers))
