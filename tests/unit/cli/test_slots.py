"""Each model server keeps its slot, and so its ports, while others come and go."""

from __future__ import annotations

from pathlib import Path

from cli.slots import assigned, read_slots, write_slots


def test_those_that_are_new_get_the_lowest_slots() -> None:
    assert assigned(["a", "b"], {}) == {"a": 0, "b": 1}


def test_a_known_one_keeps_its_slot() -> None:
    assert assigned(["new", "b"], {"a": 0, "b": 1}) == {"new": 2, "b": 1}


def test_the_slot_of_one_that_goes_away_is_not_given_to_one_that_comes_at_the_same_time() -> None:
    assert assigned(["new"], {"a": 0}) == {"new": 1}


def test_slots_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "run" / "slots.json"
    assert read_slots(path) == {}

    write_slots(path, {"a": 3})

    assert read_slots(path) == {"a": 3}
