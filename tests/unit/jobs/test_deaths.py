"""The note of a job's deaths: only processes that ended without a word are in it, and only those in a row."""

from __future__ import annotations

from pathlib import Path

from services.jobs.deaths import Deaths


def begun(path: Path) -> Deaths:
    """Return the note of a process that has begun."""
    deaths = Deaths(path)
    deaths.note()
    return deaths


def test_those_that_died_without_a_word_are_counted(tmp_path: Path) -> None:
    assert [begun(tmp_path / "deaths").before for _ in range(4)] == [0, 1, 2, 3]


def test_one_that_ends_in_order_begins_the_count_anew(tmp_path: Path) -> None:
    for _ in range(2):
        begun(tmp_path / "deaths")

    last = begun(tmp_path / "deaths")
    last.clear()
    last.clear()

    assert last.before == 2
    assert begun(tmp_path / "deaths").before == 0


def test_a_note_that_cannot_be_written_keeps_no_job_from_being_done(tmp_path: Path) -> None:
    assert begun(tmp_path / "gone" / "deaths").before == 0


def test_a_note_that_was_cut_off_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "deaths").touch()

    assert begun(tmp_path / "deaths").before == 0
