"""A clock elsewhere as this process knows it, so that a deadline is the same moment however late it is told. Pure.

What was told as the time there was true before it arrived here: the difference to our clock at its arrival is never
more than the true one, and less only by its way. So the largest difference of late is the best one known, and a moment
that is reckoned with it is never later than it was meant; after Flaviu Cristian, "Probabilistic clock synchronization"
(1989). Clocks drift and are set, so that what was learnt is forgotten again.
"""

from __future__ import annotations

import math

_KEPT_S = 30.0


class FarClock:
    """Learns from what is told; *now_s* and *moment_s* are of ``time.monotonic``."""

    def __init__(self) -> None:
        self._ahead_s = self._ahead_before_s = -math.inf
        self._since_s = -math.inf

    def learn(self, told_s: float, now_s: float) -> None:
        """Take in that *told_s*, which arrived just now, was the time there a little before."""
        if now_s - self._since_s > _KEPT_S:
            self._ahead_before_s, self._ahead_s, self._since_s = self._ahead_s, -math.inf, now_s
        self._ahead_s = max(self._ahead_s, told_s - now_s)

    def at_s(self, moment_s: float) -> float | None:
        """Return what that clock shows at *moment_s*, or a little less; None before anything was learnt."""
        ahead_s = max(self._ahead_s, self._ahead_before_s)
        return None if math.isinf(ahead_s) else moment_s + ahead_s
