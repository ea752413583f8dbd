"""How many batches are at work at once, and in whose thread: who finds room works at once, what waits is taken over."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

Work = Callable[[int], None]


class _Waiting(NamedTuple):
    """Work that waits for room, and what its caller waits for."""

    work: Work
    done: Future[None]


class Room:
    """Has *size* places, each for one piece of work at a time. Thread-safe.

    Whoever finds a place works in its own thread. What waits is done in its order by threads of the room's own, of
    which each goes on with the next piece as soon as it is done with one. Were the next one's caller woken for that,
    Linux would often leave it behind the thread that runs on another core, while the core that got free does nothing.
    """

    def __init__(self, size: int) -> None:
        self._size, self._taken = size, 0
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="batch")

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for a place."""
        return len(self._waiting)

    def do(self, work: Work) -> None:
        """Call *work* with how many others are at work then, and return when it is done; raises what it raised."""
        with self._lock:
            others = self._taken
            if found := others < self._size:
                self._taken += 1
            else:
                waiting = _Waiting(work, Future())
                self._waiting.append(waiting)
        if not found:
            waiting.done.result()
            return
        try:
            work(others)
        finally:
            if follows := self._next():
                self._threads.submit(self._go_on, follows)

    def _next(self) -> _Waiting | None:
        """Return what is to be done next in a place that gets free; None: nothing waits, and it is free."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._taken -= 1
            return None

    def _go_on(self, waiting: _Waiting | None) -> None:
        """Do what waited, and what waits then, in one place."""
        while waiting:
            try:
                waiting.work(self._taken - 1)
            except BaseException as error:  # as a pool does: what it was is for the caller to see
                waiting.done.set_exception(error)
            else:
                waiting.done.set_result(None)
            waiting = self._next()
