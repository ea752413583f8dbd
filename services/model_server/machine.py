"""The machine as this process was given it: cores, and its name for measurements that hold only here."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path


def quota_cores(text: str) -> float | None:
    """Return the cores that a cgroup's ``cpu.max`` grants (``"150000 100000"``: 1.5), None for no limit."""
    quota, _, period = text.strip().partition(" ")
    return None if quota == "max" or not period else int(quota) / int(period)


def cores() -> int:
    """Return how many cores this process may keep busy, at least 1."""
    allowed = len(os.sched_getaffinity(0))
    limit = Path("/sys/fs/cgroup/cpu.max")
    quota = quota_cores(limit.read_text()) if limit.is_file() else None
    return max(1, min(allowed, int(quota + 0.5)) if quota else allowed)


def fingerprint() -> str:
    """Return what tells machines of different speed apart: the processor and the cores granted."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.machine()} {model} x{cores()}"


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
        self._set(max(self._before, self._nice))

    def __exit__(self, *_: object) -> None:
        self._set(self._before)

    def _set(self, nice: int) -> None:
        for thread in Path("/proc/self/task").iterdir():  # Linux keeps a priority for each thread
            try:
                os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)
            except ProcessLookupError:
                continue
