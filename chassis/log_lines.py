"""Where log lines go: standard output, in bulk.

Whoever reads a service's output, a supervisor or a container engine, is woken by each write; at a thousand requests a
second that costs more than the lines themselves. So what is merely told waits for a moment and goes out together; what
warns goes at once, with all that came before it. A process that is killed loses the lines of its last moment.

A log is never a reason to stop: lines that nobody can take, for a full disk or a reader that is gone, are dropped, and
the first line that goes through again says how many they were.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

_WAIT_S = 0.25
_MOST_BYTES = 64 * 1024


def standard_output() -> BinaryIO:
    """Return this process's standard output without a buffer, in which what could not be written would stay."""
    return open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)


def _gap(lines: int) -> bytes:
    return b"%d log lines were dropped" % lines


class LogLines:
    """A logger of structlog's kind over *output*; for all threads of a process, and anew in each forked child.

    *output* has no buffer. With *at_once* nothing waits. *gap* makes the line that says how many are missing.
    """

    def __init__(self, output: BinaryIO, *, at_once: bool = False, gap: Callable[[int], bytes] = _gap) -> None:
        self._output, self._at_once, self._gap = output, at_once, gap
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._waiting = bytearray()
        self._dropped = 0
        self._cut = False
        self._lock = threading.RLock()  # a handler of signals may log in the midst of a line
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None

    def info(self, line: bytes) -> None:
        """Write a line soon."""
        with self._lock:
            self._waiting += line + b"\n"
            full = self._at_once or len(self._waiting) > _MOST_BYTES
        if full:
            self.flush()
        elif not self._filled.is_set():
            self._filled.set()
            self._start()

    debug = info

    def warning(self, line: bytes) -> None:
        """Write a line now."""
        with self._lock:
            self._waiting += line + b"\n"
        self.flush()

    error = critical = fatal = failure = err = msg = warning

    def flush(self) -> None:
        """Write what waits; drop what cannot be written."""
        with self._lock:
            if self._waiting:
                lines, self._waiting = self._waiting, bytearray()
                if self._dropped and self._write(b"\n" * self._cut + self._gap(self._dropped) + b"\n"):
                    self._dropped += lines.count(b"\n")
                else:
                    self._dropped = self._write(lines)

    def _write(self, lines: bytes | bytearray) -> int:
        """Return how many of *lines* could not be written, with the one that was cut."""
        rest = memoryview(lines)
        with suppress(OSError):
            while rest and (written := self._output.write(rest)):
                self._cut = rest[written - 1] != ord("\n")
                rest = rest[written:]
        return lines.count(b"\n", len(lines) - len(rest))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
            atexit.register(self.flush)

    def _run(self) -> None:
        while self._filled.wait():
            time.sleep(_WAIT_S)
            self._filled.clear()
            self.flush()
