"""A few threads, as many as there are cores, that help the caller through a list of work."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Crew:
    """Decodes the items of a batch side by side. The caller works too, so that no batch waits for another's helpers."""

    def __init__(self, threads: int) -> None:
        self._helpers = threads - 1
        self._pool = ThreadPoolExecutor(max(1, self._helpers), thread_name_prefix="decode")

    def each(self, work: Callable[[int], None], count: int) -> None:
        """Call *work* with 0 … *count* - 1, and return when all are done; *work* must not raise."""
        turn = itertools.count()

        def help_out() -> None:
            while (place := next(turn)) < count:
                work(place)

        helpers = [self._pool.submit(help_out) for _ in range(min(self._helpers, count - 1))]
        help_out()
        for helper in helpers:
            if not helper.cancel():
                helper.result()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
