"""How much of the room that admission predicts is given away. Pure policy.

A prediction may be too hopeful for long: a median does not see every third batch that takes five times as long, and
other clients' items go before some that were let in. So the share follows what became of those who were let in: less
at once where some were late in the queue, more again slowly (additive increase, multiplicative decrease: D. Chiu and
R. Jain, *Analysis of the Increase and Decrease Algorithms for Congestion Avoidance*, 1989).
"""

from __future__ import annotations

MOST = 0.9
"""Where nothing is late. A queue that is a little shorter than it could be costs no throughput."""
_LEAST = MOST / 2
_LATE_SHARE = 0.01
_DECREASE = 0.9
_INCREASE = 0.01


class Trust:
    """The ``share`` of one model; ``settle`` is to be called once a second."""

    def __init__(self) -> None:
        self.share = MOST
        self._late = self._answered = 0

    def late(self, items: int) -> None:
        """Note that so many were late before they could run."""
        self._late += items

    def answered(self, items: int) -> None:
        """Note that so many were answered that had been claimed in time."""
        self._answered += items

    def settle(self) -> None:
        """Reckon the share anew from what was noted since the last time."""
        if self._late > _LATE_SHARE * (self._late + self._answered):
            self.share = max(_LEAST, self.share * _DECREASE)
        else:
            self.share = min(MOST, self.share + _INCREASE)
        self._late = self._answered = 0
