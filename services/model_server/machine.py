"""The machine as this process was given it: its name for measurements that hold only here, and its priority on it."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chassis.cores import cores


def fingerprint() -> str:
    """Return what tells machines of different speed apart: the processor and the cores granted."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.machine()} {model} x{cores()}"


def give_way(nice: int) -> None:
    """Let this process give way to others, unless *nice* is 0.

    It interrupts none of them either when it wakes up (``SCHED_BATCH``): a third fewer switches while a model computes.
    """
    if nice:
        _set_priority(os.getpriority(os.PRIO_PROCESS, 0) + nice)
        _of_each_thread(lambda thread: os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0)))


def _set_priority(nice: int) -> None:
    _of_each_thread(lambda thread: os.setpriority(os.PRIO_PROCESS, thread, nice))


def _of_each_thread(change: Callable[[int], None]) -> None:
    """Call *change* with each thread's id: Linux keeps priorities by thread, and new ones take their starter's."""
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            change(int(thread.name))


def _may_raise_priority() -> bool:
    return os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_NICE)[0] >= 20


class LowPriority:
    """While inside, the process and the threads that it starts give way to others; afterwards all are as before.

    Only where the priority may be raised again: a process without that right would stay slow for ever.
    """

    def __init__(self, nice: int = 10) -> None:
        self._nice = nice if _may_raise_priority() else 0

    def __enter__(self) -> None:
        self._before = os.getpriority(os.PRIO_PROCESS, 0)
        _set_priority(max(self._before, self._nice))

    def __exit__(self, *_: object) -> None:
        _set_priority(self._before)
