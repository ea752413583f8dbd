"""How long messages were under way: what a message took longer than the quickest is time that its items lost.

A message may lie in a socket while this process, or its host, stands still, and the time left that it carries says
nothing of that. The sender's clock need not agree with ours: only differences between messages of one sender count.
"""

from __future__ import annotations

import threading

_MEMORY_S = 60.0


class _Quickest:
    """The shortest lag of one sender's messages, in this stretch of time and the one before."""

    def __init__(self, now_s: float) -> None:
        self.since_s = now_s
        self.lag_s = self.lag_before_s = float("inf")

    def take(self, lag_s: float, now_s: float) -> float:
        if now_s - self.since_s > _MEMORY_S:
            self.since_s, self.lag_before_s, self.lag_s = now_s, self.lag_s, float("inf")
        self.lag_s = min(self.lag_s, lag_s)
        return min(self.lag_s, self.lag_before_s)


class Delays:
    """The delays of all senders; for all threads."""

    def __init__(self) -> None:
        self._quickest: dict[str, _Quickest] = {}
        self._lock = threading.Lock()

    def delay_s(self, sender: str, sent_at_s: float, now_s: float) -> float:
        """Return how much longer a message took than the quickest one of *sender* in the last minutes.

        *sent_at_s* is in the sender's clock, 0 where it did not say; *now_s* in ours (both Unix time).
        """
        if not sent_at_s:
            return 0.0
        lag_s = now_s - sent_at_s
        with self._lock:
            for name, known in list(self._quickest.items()):
                if now_s - known.since_s > 3 * _MEMORY_S:
                    del self._quickest[name]
            return lag_s - self._quickest.setdefault(sender, _Quickest(now_s)).take(lag_s, now_s)
