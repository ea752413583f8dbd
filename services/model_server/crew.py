"""A few threads, as many as there are cores, that help the caller through a list of work."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_WORTH_WAKING_S = 0.000_5
_FORGET = 0.1


class Crew:
    """Decodes the items of a batch side by side. The caller works too, so that no batch waits for another's helpers.

    Helpers are woken only where the work takes longer than that, going by what it took of late.
    """

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.threads = threads
        self._clock = clock
        self._item_s = 0.001
        self._pool = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="decode")

    def each(self, work: Callable[[int], None], count: int, *, busy: int = 0) -> None:
        """Call *work* with 0 … *count* - 1, and return when all are done; *work* must not raise.

        *busy* cores have other things to do: a helper there would only be one thread more for them.
        """
        turn = itertools.count()

        def help_out() -> None:
            while (place := next(turn)) < count:
                began = self._clock()
                work(place)
                self._item_s += _FORGET * (self._clock() - began - self._item_s)

        worth = self._item_s * (count - 1) > _WORTH_WAKING_S
        free = self.threads - 1 - busy
        helpers = [self._pool.submit(help_out) for _ in range(min(free, count - 1) if worth else 0)]
        help_out()
        for helper in helpers:
            if not helper.cancel():
                helper.result()
