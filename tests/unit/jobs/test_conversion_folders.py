"""The folder of a converted model: its release, what it says of where it came from, and its way into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chassis.errors import Conflict
from services.jobs.conversion.folders import described, next_release, put_into_store, write_folder
from services.registry.client import ModelFile, Modelinfo, read_modelinfo

SOURCE = Modelinfo(
    org_name="acme",
    problem_id="coco",
    rel_num="3",
    task="bbox",
    dnnarch="ssd_mobilenet_v2",
    framework_type="tensorflow",
    config={"input_width": 300, "dtype": "uint8"},
    files=(ModelFile("model/saved_model.pb", 5, "a" * 64),),
    source="npm",
    status="released",
    reports=("evaluate-1",),
)


def made(folder: Path, content: bytes = b"weights", **told: Any) -> tuple[Modelinfo, Path]:
    weights = folder / "network.onnx"
    weights.write_bytes(content)
    files = {"model.onnx": weights}
    model = described(SOURCE, "4", files, framework_type="onnx", provenance={"source": SOURCE.key, **told})
    return model, write_folder(folder / "made", model, files)


def test_the_next_release_is_the_next_whole_number() -> None:
    from msgspec.structs import replace

    models = [replace(SOURCE, rel_num=rel_num) for rel_num in ("1", "12", "9", "fp16", "010226_101500")]

    assert next_release(models) == "13"
    assert next_release([]) == "1"


def test_it_says_where_it_came_from_and_is_not_released(tmp_path: Path) -> None:
    model, folder = made(tmp_path)

    assert read_modelinfo(folder / "acme-coco-4.yaml") == model
    assert (model.key, model.framework_type, model.status, model.reports) == ("acme-coco-4", "onnx", "published", ())
    assert model.source == "converted from acme-coco-3 (npm)"
    assert model.metrics == {"conversion": {"source": "acme-coco-3"}}
    assert model.config == {"input_width": 300}
    assert [(file.path, file.bytes) for file in model.files] == [("model.onnx", 7)]


def test_the_store_gets_it_whole_and_once(tmp_path: Path) -> None:
    model, folder = made(tmp_path)
    store = tmp_path / "store"

    put_into_store(folder, store, model)
    put_into_store(folder, store, model)

    assert sorted(path.name for path in store.iterdir()) == ["acme-coco-4"]
    assert (store / "acme-coco-4" / "model.onnx").read_bytes() == b"weights"
    assert (store / "acme-coco-4" / "model.onnx").stat().st_mode & 0o222 == 0


def test_what_is_in_the_store_with_other_files_stays(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, first = made(tmp_path / "one")
    other, second = made(tmp_path / "two", b"others")
    put_into_store(first, tmp_path / "store", one)

    with pytest.raises(Conflict, match="acme-coco-4 is in the store already"):
        put_into_store(second, tmp_path / "store", other)
