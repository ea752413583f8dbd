"""A program asks for huge pages where Linux gives them to those who ask, and begins anew with nothing else changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.huge_pages import granted
from tests.parts import ROOT

PROGRAM = """
import os, sys
from chassis import huge_pages

print("began", os.getpid(), flush=True)
huge_pages.granted = lambda: {granted}
huge_pages.ask()
print(os.environ.get("GLIBC_TUNABLES", "nothing asked"), *sys.argv[1:])
"""


def run(*, tunables: str | None = None, granted: bool = True) -> list[str]:
    """Return what the program prints that asks for huge pages."""
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    if tunables is not None:
        environment["GLIBC_TUNABLES"] = tunables
    command = [sys.executable, "-c", PROGRAM.format(granted=granted), "--model", "a folder"]
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()


def test_a_program_begins_anew_once_in_the_same_process_with_the_same_arguments() -> None:
    first, second, last = run()

    assert first == second
    assert last == "glibc.malloc.hugetlb=1 --model a folder"


def test_other_tunables_stay() -> None:
    assert run(tunables="glibc.malloc.arena_max=2")[-1].startswith("glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1 ")


@pytest.mark.parametrize("tunables", ["glibc.malloc.hugetlb=0", "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=2"])
def test_who_has_decided_is_obeyed(tunables: str) -> None:
    began, last = run(tunables=tunables)

    assert began.startswith("began")
    assert last == f"{tunables} --model a folder"


def test_nothing_is_asked_where_nothing_is_granted() -> None:
    began, last = run(granted=False)

    assert began.startswith("began")
    assert last == "nothing asked --model a folder"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("always [madvise] never\n", True), ("[always] madvise never\n", True), ("always madvise [never]\n", False)],
)
def test_whether_linux_grants_them_stands_in_a_file(tmp_path: Path, text: str, expected: bool) -> None:
    system = tmp_path / "enabled"
    system.write_text(text)

    assert granted(system) is expected


def test_a_kernel_without_the_file_grants_none(tmp_path: Path) -> None:
    assert granted(tmp_path / "enabled") is False
