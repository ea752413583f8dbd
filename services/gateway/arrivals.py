"""How long a request waited for a thread before anything of it was read: that time belongs to its deadline.

Under a load that the gateway's threads cannot take, requests wait inside Gunicorn, where no code of ours sees them.
"""

from __future__ import annotations

import threading
import time


class _Arrival(threading.local):
    waited_s = 0.0


_arrival = _Arrival()


def taken_up(enqueued_s: float) -> None:
    """Say that this thread takes up a connection that waited since *enqueued_s* (monotonic)."""
    _arrival.waited_s = time.monotonic() - enqueued_s


def arrived_s() -> float:
    """Return when this thread's request began to wait (monotonic), as seen from its first step; read it once."""
    waited_s, _arrival.waited_s = _arrival.waited_s, 0.0
    return time.monotonic() - waited_s
