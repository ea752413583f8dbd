"""What is served: servoir.yaml, and what was changed since, until servoir.yaml says something new."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.deployment import ModelEntry
from cli.errors import Stop
from cli.model_set import Entries, ModelSet

WRITTEN: Entries = {"a-b-1": ModelEntry("folder", replicas=2), "c-d-1": ModelEntry("other")}
RELEASED: Entries = {"a-b-2": ModelEntry("a-b-2", replicas=2)}


def _released(path: Path) -> Path:
    ModelSet(path, WRITTEN).remember("a-b", RELEASED)
    return path


def test_without_changes_it_is_what_is_written(tmp_path: Path) -> None:
    models = ModelSet(tmp_path / "models.json", WRITTEN)

    assert models.entries() == WRITTEN
    assert models.unwritten() == []


def test_a_change_stands_in_the_place_of_what_was_written_of_its_problem(tmp_path: Path) -> None:
    models = ModelSet(_released(tmp_path / "models.json"), WRITTEN)

    assert list(models.entries()) == ["a-b-2", "c-d-1"]
    assert models.unwritten() == ["a-b"]


def test_a_problem_that_is_not_written_is_added(tmp_path: Path) -> None:
    models = ModelSet(tmp_path / "models.json", {})

    models.remember("a-b", RELEASED)

    assert models.entries() == RELEASED


def test_a_retired_problem_is_not_served(tmp_path: Path) -> None:
    models = ModelSet(tmp_path / "models.json", WRITTEN)

    models.remember("a-b", {})

    assert list(models.entries()) == ["c-d-1"]


@pytest.mark.parametrize(
    "rewritten",
    [
        {**WRITTEN, "a-b-1": ModelEntry("folder", replicas=3)},
        {**WRITTEN, "a-b-3": ModelEntry("newest")},
        {"c-d-1": ModelEntry("other")},
    ],
)
def test_what_is_written_anew_stands_over_an_earlier_change(tmp_path: Path, rewritten: Entries) -> None:
    models = ModelSet(_released(tmp_path / "models.json"), rewritten)

    assert models.entries() == rewritten
    assert models.unwritten() == []


def test_a_change_outlives_what_is_written_of_other_problems(tmp_path: Path) -> None:
    models = ModelSet(_released(tmp_path / "models.json"), {"a-b-1": WRITTEN["a-b-1"], "e-f-1": ModelEntry("new")})

    assert list(models.entries()) == ["a-b-2", "e-f-1"]


def test_what_would_be_is_told_without_being_remembered(tmp_path: Path) -> None:
    models = ModelSet(tmp_path / "models.json", WRITTEN)

    assert "a-b-2" in models.with_change("a-b", RELEASED)
    assert models.entries() == WRITTEN


def test_a_damaged_memory_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text("{")

    with pytest.raises(Stop, match=r"models\.json"):
        ModelSet(tmp_path / "models.json", WRITTEN).entries()
