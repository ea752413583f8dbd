"""Lines of a log: told in bulk, warned at once, in their order, and none left behind by a process that ends.

Where nobody can take them they are counted, and nothing else breaks.
"""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chassis.log_lines import LogLines
from tests.parts import wait_until


class Output(io.BytesIO):
    writes = 0

    def write(self, data: object) -> int:
        self.writes += 1
        return super().write(data)  # type: ignore[arg-type]


class Disk(Output):
    """A disk with *room* for so many bytes, at first."""

    room = 0
    refused = 0

    def write(self, data: object) -> int:
        taken = bytes(data)[: self.room]  # type: ignore[call-overload]
        if not taken:
            self.refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(taken)
        return super().write(taken)


class Interrupted(Output):
    """An output in the midst of whose first write a signal comes, whose handler logs."""

    lines: LogLines

    def write(self, data: object) -> int:
        if not self.writes:
            self.writes = 1
            self.lines.warning(b"told to end")
        return super().write(data)


def test_who_is_interrupted_while_it_logs_may_log() -> None:
    output = Interrupted()
    output.lines = LogLines(output)
    telling = threading.Thread(target=output.lines.warning, args=(b"first",), daemon=True)

    telling.start()
    telling.join(10)

    assert not telling.is_alive()
    assert sorted(output.getvalue().splitlines()) == [b"first", b"told to end"]


def test_what_is_told_goes_out_soon_and_together() -> None:
    output = Output()
    lines = LogLines(output)

    for number in range(100):
        lines.info(b"%d" % number)

    wait_until(lambda: output.getvalue().count(b"\n") == 100, what="the lines are out")
    assert output.getvalue().split() == [b"%d" % number for number in range(100)]
    assert output.writes < 100


def test_a_warning_goes_out_at_once_behind_what_was_told_before() -> None:
    output = Output()
    lines = LogLines(output)

    lines.info(b"told")
    lines.warning(b"warned")

    assert output.getvalue() == b"told\nwarned\n"


def test_every_line_goes_out_at_once_where_that_is_asked_for() -> None:
    output = Output()

    LogLines(output, at_once=True).info(b"told")

    assert output.getvalue() == b"told\n"


def test_more_than_a_pipe_holds_does_not_wait() -> None:
    output = Output()

    LogLines(output).info(b"x" * 100_000)

    assert len(output.getvalue()) == 100_001


def test_threads_do_not_mix_their_lines() -> None:
    output = Output()
    lines = LogLines(output)

    def tell(name: bytes) -> None:
        for _ in range(1000):
            lines.info(name * 20)

    threads = [threading.Thread(target=tell, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.flush()

    assert sorted(output.getvalue().split()) == sorted([b"a" * 20, b"b" * 20, b"c" * 20] * 1000)


def test_a_process_that_ends_leaves_no_line_behind() -> None:
    script = "from chassis.log_lines import *; LogLines(standard_output()).info(b'last words')"

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"last words\n"


def test_a_full_disk_stops_nothing_and_costs_no_memory() -> None:
    disk = Disk()
    lines = LogLines(disk)

    for _ in range(10_000):
        lines.info(b"x" * 99)
    lines.warning(b"told in vain, too")
    disk.room = 2**20
    lines.warning(b"room again")

    assert disk.getvalue() == b"10001 log lines were dropped\nroom again\n"


def test_what_is_told_after_the_disk_was_full_goes_out_soon() -> None:
    disk = Disk()
    lines = LogLines(disk)
    lines.info(b"lost")
    wait_until(lambda: disk.refused, what="the line is lost")

    disk.room = 2**20
    lines.info(b"room again")

    wait_until(lambda: disk.getvalue() == b"1 log lines were dropped\nroom again\n", what="the next one is out")


def test_a_line_that_was_cut_is_counted_and_ended() -> None:
    disk = Disk()
    lines = LogLines(disk)

    disk.room = len(b"whole\nin ha")
    lines.info(b"whole")
    lines.warning(b"in half")
    disk.room = 3
    lines.warning(b"lost")
    disk.room = 2**20
    lines.warning(b"room again")

    assert disk.getvalue().split(b"\n") == [b"whole", b"in ha", b"1 ", b"2 log lines were dropped", b"room again", b""]


def test_a_pipe_without_a_reader_stops_nothing_and_another_reader_hears_the_rest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    first = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with (tmp_path / "pipe").open("wb", buffering=0) as output:
        lines = LogLines(output)

        os.close(first)
        lines.warning(b"unheard")
        second = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        lines.warning(b"heard")

        assert os.read(second, 1000) == b"1 log lines were dropped\nheard\n"
        os.close(second)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_process_whose_log_cannot_be_written_ends_as_it_would(at_once: bool) -> None:
    script = f"""
from chassis.log_lines import LogLines, standard_output
lines = LogLines(standard_output(), at_once={at_once})
for _ in range(1000):
    lines.info(b"x" * 1000)
lines.warning(b"last words")
"""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE)

    assert (ended.returncode, ended.stderr) == (0, b"")
