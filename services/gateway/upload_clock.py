"""How long a body may take to arrive."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from socket import SHUT_RD, socket


class UploadClock:
    """Ends bodies that take too long: a reader that waits for a slow client cannot look at a clock itself.

    ``watch`` is called by request threads; one thread of its own looks once a second and shuts the reading side of
    late sockets, so that their reader sees the end of the body.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._ends: dict[socket, float] = {}
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="upload-clock", daemon=True).start()

    def watch(self, connection: socket) -> None:
        """Start counting for *connection*."""
        self._ends[connection] = time.monotonic() + self._timeout_s

    def forget(self, connection: socket) -> bool:
        """Stop counting; return whether the body was in time."""
        return self._ends.pop(connection, 0.0) > 0.0

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(min(1.0, self._timeout_s / 4)):
            now = time.monotonic()
            for connection, end in list(self._ends.items()):
                if end < now and self._ends.pop(connection, 0.0):
                    with suppress(OSError):  # it has gone by itself
                        connection.shutdown(SHUT_RD)
