"""What processes use, read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys

from loadtests.bench.processes import Stat, cpu_s, memory_bytes, read_stat, stats, with_children
from tests.parts import wait_until


def test_a_line_of_proc_is_read_whatever_the_process_is_called() -> None:
    line = "42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 150 50 20 5 20 0 1 0 100"

    assert read_stat(line, 100.0) == Stat(parent=7, cpu_s=2.25)


def test_a_part_is_a_process_with_its_children_but_those_that_are_parts_themselves() -> None:
    family = {1: Stat(0, 1.0), 2: Stat(1, 2.0), 3: Stat(2, 4.0), 4: Stat(1, 8.0), 9: Stat(0, 16.0)}

    assert sorted(with_children(1, family)) == [1, 2, 3, 4]
    assert cpu_s(1, family) == 15.0
    assert cpu_s(1, family, without={2}) == 9.0
    assert cpu_s(5, family) == 0.0


def test_the_time_of_a_child_that_has_ended_is_its_parents() -> None:
    burn = "import time; s = time.process_time()\nwhile time.process_time() - s < 0.3: pass"
    before = cpu_s(os.getpid(), stats())

    subprocess.run([sys.executable, "-c", burn], check=True)

    assert cpu_s(os.getpid(), stats()) - before >= 0.29


def test_memory_counts_children_too() -> None:
    hold = "import sys; held = bytes(1) * 60_000_000; held = bytearray(held); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: memory_bytes(child.pid) > 60_000_000, what="the child holds its memory")
        assert memory_bytes(os.getpid()) > memory_bytes(os.getpid(), without={child.pid}) + 50_000_000
    finally:
        child.kill()
        child.wait()
