"""What the process takes, and the cap that it never outgrows.

Two guards hold the cap. A watchdog compares the resident bytes with it, the more often the nearer they are, and ends
the process with a log line that names both. The operating system's RLIMIT_DATA stands a little above, for a growth that
is faster than the watchdog: allocations fail, the framework raises or aborts, and the process ends as well. Neighbours
notice neither.
"""

from __future__ import annotations

import math
import os
import resource
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from chassis import logs
from services.model_server.exits import Exit

log = logs.logger()
_SHORTEST_S, _LONGEST_S = 0.02, 0.25
_FASTEST_BYTES_PER_S = 8 * 2**30  # no process fills memory faster: the kernel clears each page of it first
_LAST_BYTES = 16 * 2**20
_STATM_BYTES = 200
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sizes(NamedTuple):
    """What of this process lies in memory, and what it has mapped for data, both in bytes."""

    resident: int
    mapped: int


def sizes() -> Sizes:
    """Return this process's sizes now; cheap enough to be asked many times a second."""
    fields = os.pread(_statm(), _STATM_BYTES, 0).split()
    return Sizes(int(fields[1]) * _PAGE, int(fields[5]) * _PAGE)


@lru_cache(maxsize=1)
def _statm() -> int:
    """Return the open file of this process's sizes: to open it anew costs ten times what reading it does."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def resident_bytes() -> int:
    """Return what of this process lies in memory now."""
    return sizes().resident


def excess(now: Sizes, cap_bytes: int, limit_bytes: int) -> str:
    """Return what is too large: resident bytes over the cap, or data so near RLIMIT_DATA (0: none) that little fits."""
    if now.resident > cap_bytes:
        return "resident bytes"
    return "mapped bytes" if limit_bytes and now.mapped > limit_bytes - _LAST_BYTES else ""


def look_again_s(now: Sizes, cap_bytes: int, limit_bytes: int) -> float:
    """Return when to look again: before the room that is left can have been filled."""
    room = min(cap_bytes - now.resident, (limit_bytes or math.inf) - now.mapped)
    return min(max(room / _FASTEST_BYTES_PER_S, _SHORTEST_S), _LONGEST_S)


class DataBytes(NamedTuple):
    """The part of the process that RLIMIT_DATA counts, and how much of it is really in memory."""

    mapped: int
    resident: int


def data_bytes() -> DataBytes:
    """Return the sizes of this process's private data."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    mapped, resident = (int(lines[name].split()[0]) * 1024 for name in ("VmData", "RssAnon"))
    return DataBytes(mapped, resident)


def data_limit(cap_bytes: int, data: DataBytes) -> int:
    """Return the RLIMIT_DATA that goes with *cap_bytes*.

    It counts what is mapped, and much of that (threads' stacks, arenas) is never touched: what *data* shows of it is
    let by, and a quarter of the cap, at least 512 MiB, for the stacks of threads to come.
    """
    untouched = max(0, data.mapped - data.resident)
    return cap_bytes + untouched + max(512 * 2**20, cap_bytes // 4)


def limit_data(cap_bytes: int) -> int:
    """Hold this process, loaded and warm, near *cap_bytes*; return the RLIMIT_DATA that was set."""
    limit = data_limit(cap_bytes, data_bytes())
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    return limit


class MemoryCap:
    """Watches the resident bytes; ends the process when they pass *cap_bytes* (0: no cap).

    *end* is what does so; it is told the exit code.
    """

    def __init__(self, cap_bytes: int, *, end: Callable[[int], object] = os._exit) -> None:
        self.cap_bytes = cap_bytes
        self._end = end
        self._lock = threading.Lock()
        self._serving = False
        self._limit_bytes = 0
        self._ended = threading.Event()

    def start(self) -> None:
        """Start to watch; until ``serve`` the model counts as loading, and one too large as one that does not fit."""
        threading.excepthook = self._thread_ended
        if self.cap_bytes:
            threading.Thread(target=self._watch, name="memory-cap", daemon=True).start()

    def serve(self) -> None:
        """Loaded and warm: set the operating system's limit, and say how the cap is held from now on."""
        self._serving = True
        if self.cap_bytes:
            limit = self._limit_bytes = limit_data(self.cap_bytes)
            log.info("memory_capped", cap_bytes=self.cap_bytes, by="watchdog and RLIMIT_DATA", rlimit_data_bytes=limit)

    def exceeded(self, need_bytes: int, reason: str = "resident bytes") -> None:
        """Say that the cap is passed and end the process at once; the first of several callers does."""
        if self._lock.acquire(blocking=False):
            code = Exit.OVER_CAP if self._serving else Exit.DOES_NOT_FIT
            event = "memory_cap_exceeded" if self._serving else "model_does_not_fit"
            log.error(event, cap_bytes=self.cap_bytes, need_bytes=need_bytes, reason=reason, exit_code=int(code))
            self._ended.set()
            self._end(int(code))

    def out_of_memory(self, error: MemoryError) -> None:
        """End the process, which was refused memory and cannot be trusted with another request."""
        self.exceeded(resident_bytes(), reason=str(error) or "an allocation failed")

    def stop(self) -> None:
        """Watch no longer."""
        self._ended.set()

    def _thread_ended(self, ended: threading.ExceptHookArgs) -> None:
        """Let no thread die of a lack of memory in silence: the process would live on, and answer nobody."""
        if isinstance(ended.exc_value, MemoryError):
            self.out_of_memory(ended.exc_value)
        threading.__excepthook__(ended)

    def _watch(self) -> None:
        now = sizes()
        while not self._ended.wait(look_again_s(now, self.cap_bytes, self._limit_bytes)):
            now = sizes()
            if reason := excess(now, self.cap_bytes, self._limit_bytes):
                self.exceeded(now.resident, reason)
