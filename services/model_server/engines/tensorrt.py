"""TensorRT engine files on an NVIDIA GPU, by ``tensorrt`` or ``tensorrt_rtx``, whichever is there.

An execution context with its own stream and buffers serves one execution at a time, so there are as many as run side
by side, the guest's included; the weights are shared. A batch is bounded by the engine's first optimization profile.
What an engine file needs on the GPU is known before anything is allocated, and held against the cap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from services.model_server.engines.engine import EngineOptions, TensorSpec, the_one_file
from services.model_server.engines.idle import Idle
from services.model_server.exits import DoesNotFit, LoadFailed

_MODULES = ("tensorrt", "tensorrt_rtx")


class Cuda:
    """The few calls to the CUDA runtime that are needed, their errors raised."""

    def __init__(self) -> None:
        self._runtime: Any = import_module("cuda.bindings.runtime")
        self._to_device = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._to_host = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost

    def devices(self) -> int:
        """Return how many GPUs there are; 0 also where there is no driver."""
        error, count = self._runtime.cudaGetDeviceCount()
        return 0 if int(error) else int(count)

    def allocate(self, size: int) -> int:
        """Return the address of *size* new bytes on the GPU; raises MemoryError."""
        return int(self._checked(self._runtime.cudaMalloc(size)))

    def free(self, address: int) -> None:
        """Give back what was allocated."""
        self._checked(self._runtime.cudaFree(address))

    def stream(self) -> Any:
        """Return a new stream."""
        return self._checked(self._runtime.cudaStreamCreate())

    def upload(self, address: int, array: np.ndarray, stream: Any) -> None:
        """Begin to copy *array*, which must be contiguous, to the GPU."""
        copied = self._runtime.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, self._to_device, stream)
        self._checked(copied)

    def download(self, array: np.ndarray, address: int, stream: Any) -> None:
        """Begin to copy from the GPU into *array*."""
        copied = self._runtime.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, self._to_host, stream)
        self._checked(copied)

    def wait(self, stream: Any) -> None:
        """Return when all that was begun on *stream* is done."""
        self._checked(self._runtime.cudaStreamSynchronize(stream))

    def _checked(self, answer: tuple[Any, ...]) -> Any:
        error, *values = answer
        if error == self._runtime.cudaError_t.cudaErrorMemoryAllocation:
            raise MemoryError("the GPU has no memory left")
        if int(error):
            raise RuntimeError(f"CUDA: {error.name}")
        return values[0] if values else None


class Execution:
    """One execution context with its stream, and buffers that grow to what was needed so far."""

    def __init__(self, cuda: Cuda, context: Any) -> None:
        self._cuda, self._context = cuda, context
        self._stream = cuda.stream()
        self._buffers: dict[str, tuple[int, int]] = {}

    def run(self, tensors: Mapping[str, np.ndarray], outputs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
        """Run one batch."""
        whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        for name, array in whole.items():
            if not self._context.set_input_shape(name, array.shape):
                raise ValueError(f"the engine does not take {name} of shape {array.shape}")
            self._context.set_tensor_address(name, self._buffer(name, array.nbytes))
            self._cuda.upload(self._buffers[name][0], array, self._stream)
        if missing := self._context.infer_shapes():
            raise ValueError(f"the engine needs other inputs as well: {', '.join(missing)}")
        answers = {spec.name: self._expected(spec) for spec in outputs}
        if not self._context.execute_async_v3(int(self._stream)):
            raise RuntimeError("TensorRT could not run the batch")
        for name, answer in answers.items():
            self._cuda.download(answer, self._buffers[name][0], self._stream)
        self._cuda.wait(self._stream)
        return answers

    def buffer_bytes(self) -> int:
        """Return what the buffers take on the GPU."""
        return sum(size for _, size in self._buffers.values())

    def _expected(self, spec: TensorSpec) -> np.ndarray:
        """Return an array for the output *spec* as large as this batch makes it, its buffer set."""
        shape = tuple(self._context.get_tensor_shape(spec.name))
        if any(size < 0 for size in shape):
            raise ValueError(f"the size of {spec.name} depends on the data, which is not supported")
        answer = np.empty(shape, spec.dtype)
        self._context.set_tensor_address(spec.name, self._buffer(spec.name, answer.nbytes))
        return answer

    def _buffer(self, name: str, size: int) -> int:
        address, has = self._buffers.get(name, (0, 0))
        if has < size:
            if has:
                self._cuda.free(address)
            self._buffers[name] = (self._cuda.allocate(size), size)
        return self._buffers[name][0]


class TensorrtEngine:
    """An engine with its executions."""

    max_batch_size: int | None
    on_accelerator = True

    def __init__(self, trt: Any, cuda: Cuda, engine: Any, executions: int) -> None:
        names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
        specs = [_spec(trt, engine, name) for name in names]
        is_input = [engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT for name in names]
        self.inputs = tuple(spec for spec, taken in zip(specs, is_input, strict=True) if taken)
        self.outputs = tuple(spec for spec, taken in zip(specs, is_input, strict=True) if not taken)
        self.max_batch_size = min(_most(engine, spec) for spec in self.inputs)
        self._engine = engine
        self._executions = [Execution(cuda, engine.create_execution_context()) for _ in range(executions)]
        self._idle = Idle(self._executions)

    def infer(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch on an idle execution."""
        with self._idle.one() as execution:
            return execution.run(tensors, self.outputs)

    def device_bytes(self) -> int:
        """Return what the executions take on the GPU: scratch memory and buffers, the weights left out."""
        scratch = int(self._engine.device_memory_size_v2) * len(self._executions)
        return scratch + sum(execution.buffer_bytes() for execution in self._executions)


def _spec(trt: Any, engine: Any, name: str) -> TensorSpec:
    shape = tuple(None if size < 0 else int(size) for size in engine.get_tensor_shape(name))
    return TensorSpec(name, np.dtype(trt.nptype(engine.get_tensor_dtype(name))), shape)


def _most(engine: Any, spec: TensorSpec) -> int:
    """Return the largest batch of an input: its own size, or the first profile's maximum."""
    return spec.shape[0] or int(engine.get_tensor_profile_shape(spec.name, 0)[2][0])


def _tensorrt() -> Any:
    """Return the TensorRT module that is installed; raises ImportError."""
    for name in _MODULES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ImportError("neither tensorrt nor tensorrt_rtx", name="tensorrt")


def _held_to_cap(engine: Any, path: Path, options: EngineOptions) -> None:
    need_bytes = path.stat().st_size + int(engine.device_memory_size_v2) * options.side_by_side
    if options.device_cap_bytes and need_bytes > options.device_cap_bytes:
        needs = f"{path.name} needs {need_bytes} bytes on the GPU for {options.side_by_side} executions side by side"
        raise DoesNotFit(f"{needs}; its cap is {options.device_cap_bytes}")


def load(files: Sequence[Path], options: EngineOptions) -> TensorrtEngine:
    """Return the one engine file (``.engine``, ``.plan``, ``.trt``) among *files*, ready on the first GPU."""
    trt, cuda = _tensorrt(), Cuda()
    path = the_one_file(files, ".engine", ".plan", ".trt")
    if not cuda.devices():
        raise LoadFailed("tensorrt needs an NVIDIA GPU and its driver, and there is none")
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise LoadFailed(f"{path.name} is no engine of {trt.__name__} {trt.__version__} for this GPU")
    _held_to_cap(engine, path, options)
    return TensorrtEngine(trt, cuda, engine, options.side_by_side)
