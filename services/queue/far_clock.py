"""A clock elsewhere as this process knows it, so that a deadline is the same moment however late it is told. Pure.

What was told as the time there was true before it arrived here: the difference to our clock at its arrival is never
more than the true one, and less only by its way. So the largest difference of late is the best one known, and a moment
that is reckoned with it is never later than it was meant; after Flaviu Cristian, "Probabilistic clock synchronization"
(1989). Clocks drift, so that what was learnt is forgotten again: at once where a clock was set back, which an answer
shows that says less than the time was, as known, when it was asked for.
"""

from __future__ import annotations

import math

_KEPT_S = 30.0


class FarClock:
    """Learns from what is told; *asked_s*, *now_s* and *moment_s* are of ``time.monotonic``."""

    def __init__(self) -> None:
        self._ahead_s = self._ahead_before_s = -math.inf
        self._since_s = -math.inf

    def learn(self, told_s: float, asked_s: float, now_s: float) -> None:
        """Take in that *told_s*, asked for at *asked_s* and here at *now_s*, was the time there in between."""
        if self._best_s() > told_s - asked_s:  # it was set back
            self._ahead_s = self._ahead_before_s = -math.inf
        if now_s - self._since_s > _KEPT_S:
            self._ahead_before_s, self._ahead_s, self._since_s = self._ahead_s, -math.inf, now_s
        self._ahead_s = max(self._ahead_s, told_s - now_s)

    def at_s(self, moment_s: float) -> float | None:
        """Return what that clock shows at *moment_s*, or a little less; None before anything was learnt."""
        ahead_s = self._best_s()
        return None if math.isinf(ahead_s) else moment_s + ahead_s

    def _best_s(self) -> float:
        return max(self._ahead_s, self._ahead_before_s)
