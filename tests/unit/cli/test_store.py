"""The model store keeps each content once, and gives each model a folder of its own."""

from __future__ import annotations

from pathlib import Path

from cli.model_folder import read_model_folder
from cli.store import Store
from tests.unit.cli.model_folders import make_model_folder


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


def test_a_model_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert Store(tmp_path).find("acme-things-1") is None
