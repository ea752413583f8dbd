"""The machine as this process was given it: its name for measurements that hold only here, and its priority on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from chassis.cores import cores


def fingerprint(root: Path = Path("/")) -> str:
    """Return what tells machines of different speed apart: the processor, the cores granted, and the GPUs.

    *root* is where the machine's files are.
    """
    processor = _told(root / "proc/cpuinfo").get("model name", "")
    return f"{platform.machine()} {processor} x{cores()} {', '.join(_gpus(root))}"


def _gpus(root: Path) -> list[str]:
    """Return the names of the GPUs that this process may open; the driver tells a container of all of its host's."""
    gpus = [_told(path) for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))]
    return [gpu.get("Model", "") for gpu in gpus if (root / f"dev/nvidia{gpu.get('Device Minor')}").exists()]


def _told(path: Path) -> dict[str, str]:
    """Return a file of the kernel's that has ``name : value`` on each line; of a name that comes again, the last."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


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
    """Return whether a priority may be raised again, by trying it in a thread that ends with what it was left.

    Who runs this does not tell: root may lack the right in a container or a user namespace, others may be granted it.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_gives_way_and_comes_back).result()


def _gives_way_and_comes_back() -> bool:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, before + 1)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, before)
    except PermissionError:
        return False
    return True


class LowPriority:
    """While inside, the process and the threads that it starts give way to others; afterwards all are as before.

    Only where the priority may be raised again: a process without that right would stay slow for ever.
    """

    def __init__(self, nice: int = 10) -> None:
        self._nice = nice

    def __enter__(self) -> None:
        self._before = os.getpriority(os.PRIO_PROCESS, 0)
        self._lowers = self._nice > self._before and _may_raise_priority()
        if self._lowers:
            _set_priority(self._nice)

    def __exit__(self, *_: object) -> None:
        if self._lowers:
            _set_priority(self._before)
