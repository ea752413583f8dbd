"""The model store keeps each content once, and gives each model a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.errors import Stop
from cli.model_folder import read_model_folder
from cli.store import Store
from tests.unit.cli.model_folders import WEIGHTS, make_model_folder


def test_a_stored_model_is_found_whole_when_its_source_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    source = make_model_folder(tmp_path)
    model = read_model_folder(source)

    folder = store.add(model)
    for path in sorted(source.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()

    found = store.find("acme-things-1")
    assert found is not None
    assert (found.path, found.modelinfo) == (folder, model.modelinfo)


def test_one_content_is_kept_once_for_two_models(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")

    first = store.add(read_model_folder(make_model_folder(tmp_path, "acme-things-1")))
    second = store.add(read_model_folder(make_model_folder(tmp_path, "acme-things-2")))

    assert (first / "net" / "weights.bin").samefile(second / "net" / "weights.bin")


def test_kept_files_cannot_be_written(tmp_path: Path) -> None:
    folder = Store(tmp_path / "store").add(read_model_folder(make_model_folder(tmp_path)))

    assert (folder / "net" / "weights.bin").stat().st_mode & 0o222 == 0


def test_storing_again_leaves_one_model_and_nothing_half_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    model = read_model_folder(make_model_folder(tmp_path))

    store.add(model)
    store.add(model)

    assert [path.name for path in (tmp_path / "store" / "models").iterdir()] == ["acme-things-1"]


def test_a_model_that_has_changed_is_refused_and_the_stored_one_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    stored = store.add(read_model_folder(make_model_folder(tmp_path / "old")))
    changed = read_model_folder(make_model_folder(tmp_path / "new", weights=b"trained further"))

    with pytest.raises(Stop, match="has changed since it was stored") as stop:
        store.add(changed)

    assert "rel_num" in stop.value.advice
    assert (stored / "net" / "weights.bin").read_bytes() == WEIGHTS


def test_damage_is_gone_when_the_model_is_taken_out_and_stored_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    model = read_model_folder(make_model_folder(tmp_path))
    weights = store.add(model) / "net" / "weights.bin"
    weights.chmod(0o644)
    weights.write_bytes(b"damaged")
    shutil.rmtree(store.folder(model.key))

    store.add(model)

    assert store.find(model.key) is not None
    assert weights.read_bytes() == WEIGHTS


def test_a_model_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert Store(tmp_path).find("acme-things-1") is None
