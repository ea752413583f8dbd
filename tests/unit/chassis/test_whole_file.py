"""A file is replaced whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chassis.whole_file import write_whole


def test_who_reads_meanwhile_has_what_was_there_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_whole(path, "before")

    with path.open() as reader:
        write_whole(path, "now")

        assert (reader.read(), path.read_text()) == ("before", "now")


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "before")

    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "now" * 100_000 + "\udc00")

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_for_this_user_alone_and_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "foreign").write_text("another's")
    path = tmp_path / "file"
    path.symlink_to(tmp_path / "foreign")

    write_whole(path, "now")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "foreign").read_text() == "another's"
