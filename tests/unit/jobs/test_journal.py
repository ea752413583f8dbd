"""A checkpoint as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.jobs.journal import Journal, replaced


def test_a_line_that_a_crash_cut_is_gone_and_the_others_are_there(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    journal = Journal(path)
    journal.append(b"one", b"two")
    with path.open("ab") as file:
        file.write(b"thr")

    opened = Journal(path)
    opened.append(b"three")

    assert (opened.count, list(opened.lines())) == (3, [b"one", b"two", b"three"])


def test_what_is_appended_is_there_for_another_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "lines")
    journal.append(b"one")

    assert Journal(tmp_path / "lines").count == 1


def test_a_new_checkpoint_has_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "lines")
    journal.close()

    assert (journal.count, list(journal.lines())) == (0, [])


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with replaced(path) as file:
        file.write(b"old")

    with pytest.raises(ZeroDivisionError), replaced(path) as file:
        file.write(b"ne")
        raise ZeroDivisionError

    assert path.read_bytes() == b"old"
