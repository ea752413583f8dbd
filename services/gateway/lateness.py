"""How late an event loop is: so long what it reads now may have lain unread, and that time belongs to a deadline.

Nobody sees a request that waits in its socket while the loop is busy with others, or while its process gets no core.
But a timer that was due meanwhile is as late as the request may be.
"""

from __future__ import annotations

import asyncio
import time

_TICK_S = 0.02


class Lateness:
    """Watches the loop that it is started in. It may tell too much, by as much as a request came later."""

    def __init__(self) -> None:
        self._due_s = time.monotonic() + _TICK_S
        self._last_s = 0.0

    def start(self) -> None:
        """Watch the loop that runs, for as long as it runs."""
        self._due_s = time.monotonic() + _TICK_S
        asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    @property
    def seconds(self) -> float:
        """How late the loop is, or was a moment ago; 0.0 for less than a tick of 20 ms, which is noise."""
        late_s = max(self._last_s, time.monotonic() - self._due_s)
        return late_s if late_s > _TICK_S else 0.0

    def _tick(self) -> None:
        self._last_s = time.monotonic() - self._due_s
        self.start()
