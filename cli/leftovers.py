"""Processes of a suite that outlived their supervisor: found by the mark in their environment, and ended.

nginx and Valkey write their titles over their environment: they are found by the folders that they are told on their
command line or work in, and nginx's workers as its children.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

from cli.supervision import MARK

_END_S = 10.0


def find(home: Path) -> list[psutil.Process]:
    """Return the processes that belong to the suite in *home*."""
    found = {process: None for process in psutil.process_iter() if _belongs(process, home)}
    for process in list(found):
        found |= dict.fromkeys(_children(process))
    return list(found)


def end(home: Path) -> int:
    """End what is left of the suite in *home*, by force where asking does not help; return how many there were."""
    left = find(home)
    for process in left:
        _send(process, force=False)
    _, stubborn = psutil.wait_procs(left, _END_S)
    for process in stubborn:
        _send(process, force=True)
    psutil.wait_procs(stubborn, _END_S)
    return len(left)


def wait(processes: Sequence[psutil.Process], timeout_s: float) -> None:
    """Return when *processes* have ended, or *timeout_s* is over."""
    psutil.wait_procs(processes, timeout_s)


def _send(process: psutil.Process, *, force: bool) -> None:
    try:
        process.kill() if force else process.terminate()
    except psutil.NoSuchProcess:
        return


def _belongs(process: psutil.Process, home: Path) -> bool:
    try:
        if process.environ().get(MARK, "") == str(home) or f" {home}/run/nginx " in " ".join(process.cmdline()):
            return True
        return process.name().startswith(("valkey", "redis")) and process.cwd() == str(home / "data" / "valkey")
    except (psutil.Error, OSError):
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
