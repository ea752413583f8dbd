"""A PyTorch ``.pth`` file of weights, in the format before 1.6, read with numpy alone.

Such a file is a row of pickles (a magic number, a version, facts of the machine, the state dict, the keys of the
storages) and then each storage: its length and its numbers. The state dict is unpickled by a reader that knows
tensors and nothing else, so that a file cannot run code.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {"FloatStorage": np.dtype("<f4"), "DoubleStorage": np.dtype("<f8"), "LongStorage": np.dtype("<i8")}


class _Storage(NamedTuple):
    dtype: np.dtype[Any]
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Return the file's tensors by name; raises pickle.UnpicklingError for anything that is not a tensor."""
    with path.open("rb") as file:
        if _Unpickler(file).load() != _MAGIC:
            raise pickle.UnpicklingError(f"{path.name} is not a PyTorch file of the format before 1.6")
        _Unpickler(file).load()
        _Unpickler(file).load()
        tensors: dict[str, _Tensor] = _Unpickler(file).load()
        keys: list[str] = _Unpickler(file).load()
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        storages = {key: _read_storage(file, dtypes[key]) for key in keys}
    return {name: _view(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> np.ndarray:
    (count,) = struct.unpack("<q", file.read(8))
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _view(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    strides = [step * storage.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).copy()


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"refused: {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return _Storage(dtype, key)
