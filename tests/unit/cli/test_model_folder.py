"""A model's folder is checked whole before anything of it is published."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cli.errors import Stop
from cli.model_folder import read_model_folder
from cli.settings import ROOT
from tests.unit.cli.model_folders import WEIGHTS, files_entry, make_model_folder


def test_files_that_the_modelinfo_does_not_name_are_found_and_measured(tmp_path: Path) -> None:
    model = read_model_folder(make_model_folder(tmp_path))

    assert model.key == "acme-things-1"
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert model.files == [{"path": "net/weights.bin", "bytes": len(WEIGHTS), "sha256": sha256}]


def test_a_release_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    model = read_model_folder(make_model_folder(tmp_path, "acme-things-050224_120000", more="classes: [no, on, 1]\n"))

    assert model.modelinfo["rel_num"] == "050224_120000"
    assert model.modelinfo["classes"] == ["no", "on", "1"]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (files_entry("0" * 64), "net/weights.bin: sha256 differ"),
        (files_entry(size=7), "net/weights.bin: bytes differ"),
        ("files:\n- {path: net/other.bin}\n", "net/other.bin is missing"),
        ("files:\n- {path: ../../secret}\n", "../../secret is outside the folder"),
    ],
)
def test_a_file_that_is_not_what_the_modelinfo_says_is_named(tmp_path: Path, more: str, fault: str) -> None:
    folder = make_model_folder(tmp_path, more=more)

    with pytest.raises(Stop, match=fault.replace(".", r"\.")):
        read_model_folder(folder)


def test_a_file_name_that_is_not_the_key_is_refused(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path)
    (folder / "acme-things-1.yaml").rename(folder / "acme-things-2.yaml")

    with pytest.raises(Stop, match="describes acme-things-1") as stop:
        read_model_folder(folder)

    assert "acme-things-1.yaml" in stop.value.advice


@pytest.mark.parametrize("names", [[], ["a-b-1.yaml", "a-b-2.yaml"]])
def test_a_folder_describes_one_model(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("task: bbox\n")

    with pytest.raises(Stop, match="must hold one"):
        read_model_folder(tmp_path)


def test_who_wrote_none_of_its_fields_is_told_where_they_are_explained(tmp_path: Path) -> None:
    (tmp_path / "acme-things-1.yaml").write_text("nothing")

    with pytest.raises(Stop, match="holds no fields") as stop:
        read_model_folder(tmp_path)

    page, heading = stop.value.advice.removeprefix("See ").removesuffix(".").split(", ")
    assert f"### {heading}\n" in (ROOT / page).read_text()
