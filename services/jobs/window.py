"""How many pictures of a job are on their way at a time, so that nobody who waits for an answer feels it. Pure.

Two things are known without asking anybody but the queue: how long a job's own pictures take, and whether there is
anything in the model's queue that is no job's. As long as there is not, the window grows by one with each round trip,
until pictures take more than *_STRETCH* times what one takes alone: from there on they only wait for each other. What
one takes alone is measured now and then. (TCP Vegas finds its window in this way.) Once somebody else is seen,
the window is one picture for a while, which goes when nobody else is at work, and after it the job rests, so that it
has no more than a share of the time: who comes while its picture runs has to wait for that, and this way few do. Where
somebody is always at work, a job still has about a tenth of the time.
"""

from __future__ import annotations

_STRETCH = 2.5
_SHRINK = 0.7
_QUIET_S = 5.0
_PATIENCE = 10.0
_PROBE_EVERY_S = 60.0
_PROBES = 3


class Window:
    """The window of one run of a job, at most *most* pictures; times in seconds of any one clock.

    *share* is how much of the time it takes beside others.
    """

    def __init__(self, most: int, *, share: float) -> None:
        self._most, self._share = most, share
        self._size = 1.0
        self._alone_s = float("inf")
        self._probes_left, self._probing_since_s = _PROBES, float("-inf")
        self._last_s = self._rests_until_s = 0.0
        self._seen_s = self._sent_s = self._shrunk_s = float("-inf")

    @property
    def size(self) -> int:
        """How many there may be where nobody else is seen."""
        return 1 if self._probes_left else int(self._size)

    def answered(self, took_s: float, now_s: float) -> None:
        """Learn from a picture that was answered after *took_s* from its way into the queue."""
        self._last_s, self._rests_until_s = took_s, now_s + took_s * (1 / self._share - 1)
        if self._probes_left:
            if now_s - took_s >= self._probing_since_s:  # it went alone
                self._alone_s = min(self._alone_s, took_s)
                self._probes_left -= 1
        elif now_s - self._probing_since_s > _PROBE_EVERY_S:
            self._alone_s, self._probes_left, self._probing_since_s = float("inf"), _PROBES, now_s
        elif took_s <= _STRETCH * self._alone_s:
            self._size = min(float(self._most), self._size + 1 / self._size)
        elif now_s - self._shrunk_s > took_s:
            self._size, self._shrunk_s = max(1.0, self._size * _SHRINK), now_s

    def admits(self, in_flight: int, others: int, now_s: float) -> bool:
        """Return whether one more may go now, beside *in_flight* of the job's and *others* of anybody else."""
        if others > 0:
            self._seen_s = now_s
        if now_s - self._seen_s > _QUIET_S:
            return in_flight < self.size
        waited_enough = now_s - self._sent_s > _PATIENCE * self._last_s
        rested = others <= 0 and now_s >= self._rests_until_s
        return in_flight < 1 and (rested or waited_enough)

    def sent(self, now_s: float) -> None:
        """Know that one more has gone."""
        self._sent_s = now_s
