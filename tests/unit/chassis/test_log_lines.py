"""Lines of a log: told in bulk, warned at once, in their order, and none left behind by a process that ends."""

from __future__ import annotations

import io
import subprocess
import sys
import threading

from chassis.log_lines import LogLines
from tests.parts import wait_until


class Output(io.BytesIO):
    writes = 0

    def write(self, data: object) -> int:
        self.writes += 1
        return super().write(data)  # type: ignore[arg-type]


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
    script = "import sys; from chassis.log_lines import LogLines; LogLines(sys.stdout.buffer).info(b'last words')"

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"last words\n"
