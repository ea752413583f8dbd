"""What processes use, from /proc: CPU time and memory of a process with all its children."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM, _DEAD_USER, _DEAD_SYSTEM = 1, 11, 12, 13, 14
"""Fields of /proc/<pid>/stat, counted from the one after the name."""


class Stat(NamedTuple):
    """A process: its parent, and the seconds of CPU that it and those of its children that have ended used."""

    parent: int
    cpu_s: float


def read_stat(text: str, ticks_per_s: float) -> Stat:
    """Return what a line of /proc/<pid>/stat says; the name in it may hold blanks and brackets."""
    fields = text.rpartition(")")[2].split()
    ticks = sum(int(fields[at]) for at in (_USER, _SYSTEM, _DEAD_USER, _DEAD_SYSTEM))
    return Stat(int(fields[_PARENT]), ticks / ticks_per_s)


def stats() -> dict[int, Stat]:
    """Return every process of this machine."""
    found = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = read_stat((folder / "stat").read_text(), _TICKS_PER_S)
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def with_children(pid: int, all_stats: Mapping[int, Stat], *, without: Collection[int] = ()) -> list[int]:
    """Return *pid* and all that descend from it, leaving out the processes in *without* with their children."""
    found = [pid]
    for parent in found:
        found += [child for child, stat in all_stats.items() if stat.parent == parent and child not in without]
    return found


def cpu_s(pid: int, all_stats: Mapping[int, Stat], *, without: Collection[int] = ()) -> float:
    """Return the seconds of CPU that *pid* and its children have used so far."""
    family = with_children(pid, all_stats, without=without)
    return sum(all_stats[each].cpu_s for each in family if each in all_stats)


def memory_bytes(pid: int, *, without: Collection[int] = ()) -> int:
    """Return the memory of *pid* and its children; of a page that several share, each has its part (PSS)."""
    return sum(_pss(each) for each in with_children(pid, stats(), without=without))


def _pss(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def command_line(pid: int) -> str:
    """Return the command of *pid*; nothing where it has ended."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text().replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def variable(pid: int, name: str) -> str:
    """Return the value of a variable in the environment that *pid* was started with; nothing where it is not set."""
    lines = (_PROC / str(pid) / "environ").read_text().split("\0")
    return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}=")), "")
