"""Lines of several logs are shown together, in the order of their times."""

from __future__ import annotations

from pathlib import Path

from cli.log_lines import LogFile, merged, time_of


def _line(second: int, event: str) -> str:
    return f'{{"time":"2026-01-01T00:00:{second:02}.000000Z","event":"{event}"}}\n'


def test_lines_of_two_files_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(_line(1, "first") + _line(3, "third"))
    (tmp_path / "b").write_text(_line(2, "second"))

    lines = merged([LogFile(tmp_path / "a"), LogFile(tmp_path / "b")])

    assert [line.split('"')[-2] for line in lines] == ["first", "second", "third"]


def test_a_line_without_time_stays_behind_the_one_before_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(_line(1, "failed") + "Traceback\n" + _line(5, "later"))
    (tmp_path / "b").write_text(_line(3, "between"))

    lines = merged([LogFile(tmp_path / "b"), LogFile(tmp_path / "a")])

    assert [line[:9] for line in lines].index("Traceback") == 1


def test_following_gives_whole_lines_that_are_new(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(_line(1, "one") + '{"time":"2026')
    log = LogFile(path)
    assert len(merged([log])) == 1

    path.write_text(_line(1, "one") + _line(2, "two"))

    assert merged([log]) == [_line(2, "two").strip()]
    assert merged([log]) == []


def test_a_file_that_was_rotated_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(_line(1, "one") + _line(2, "two"))
    log = LogFile(path)
    merged([log])

    path.write_text(_line(3, "three"))

    assert merged([log]) == [_line(3, "three").strip()]


def test_times_of_nginx_and_of_the_services_are_one_scale() -> None:
    assert time_of('{"time":"2026-01-01T01:00:00.250+01:00"}') == time_of('{"time":"2026-01-01T00:00:00.250000Z"}')
    assert time_of("no JSON") is None
    assert time_of('{"no": "time"}') is None
