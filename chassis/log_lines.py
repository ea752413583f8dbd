"""Where log lines go: standard output, in bulk.

Whoever reads a service's output, a supervisor or a container engine, is woken by each write; at a thousand requests a
second that costs more than the lines themselves. So what is merely told waits for a moment and goes out together; what
warns goes at once, with all that came before it. A process that is killed loses the lines of its last moment.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from typing import BinaryIO

_WAIT_S = 0.25
_MOST_BYTES = 64 * 1024


class LogLines:
    """A logger of structlog's kind over *output*; for all threads of a process, and anew in each forked child.

    With *at_once* nothing waits.
    """

    def __init__(self, output: BinaryIO, *, at_once: bool = False) -> None:
        self._output, self._at_once = output, at_once
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._waiting = bytearray()
        self._lock = threading.Lock()
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
        """Write what waits."""
        with self._lock:
            if self._waiting:
                self._output.write(self._waiting)
                self._output.flush()
                self._waiting = bytearray()

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
