"""Answers as they come to one gateway process: one task drains its list in bulk and wakes the requests that wait."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from chassis import logs
from services.queue.answers import Answer, problem, read_reply
from services.queue.far_clock import FarClock
from services.queue.keys import replies_key
from services.queue.pipe import Pipe
from services.queue.wanted import read_wanted

log = logs.logger()
_LISTEN_S = 0.25
_ASK_TIME_S = 1.0
_LOST_AFTER_S = 0.9
_CALL_TIMEOUT_S = 5.0
_MOST_AT_ONCE = 256
_LONGEST_PAUSE_S = 0.5
LOST = Answer(status=503, body=problem("Service unavailable", "the queue went away before an answer"))
"""Of an item whose answer will not come, since Redis lost one of the two."""


def _not_kept(index: int) -> None:
    """Do nothing: its payloads are in Redis."""


class Waiting:
    """One request of this process, until all of its items are answered."""

    def __init__(self, number: int, count: int) -> None:
        self.number = number
        self.answers: list[Answer | None] = [None] * count
        self.wanted: Callable[[int], object] = _not_kept
        """What is to be done when one of its payloads is wanted in Redis."""
        self.entries: Sequence[str] = ()
        """Once it is accepted, for each item the key that is in Redis until its answer is on our list; '' for an item
        that was there under its idempotency key."""
        self._missing = count
        self._waiter: asyncio.Future[None] | None = None

    def take(self, index: int, answer: Answer) -> None:
        """Take in the answer of one item; a second one of the same is not looked at."""
        if self.answers[index] is None:
            self.answers[index] = answer
            self._missing -= 1
            if not self._missing:
                self.wake()

    def wake(self) -> None:
        """End the wait, whatever is answered."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout_s: float) -> bool:
        """Return whether all are answered, at the latest after *timeout_s*, earlier when it is woken."""
        if self._missing:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(max(0.0, timeout_s), self.wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
        return not self._missing


class Replies:
    """The list of one gateway process, and its listener.

    The listener's one call returns at least four times a second, answers or not: that is how it knows that Redis is
    there. It keeps its connection over a pause, so that answers which Redis had handed out already are not lost. After
    each new connection it looks for those that were. Once a second it asks for the time, for ``clock``.
    """

    def __init__(self, redis_url: str) -> None:
        self.key = replies_key(uuid.uuid4().hex)
        self._redis = Pipe(redis_url, call_timeout_s=_CALL_TIMEOUT_S)
        self._waiting: dict[int, Waiting] = {}
        self._numbers = itertools.count(1)
        self._contact_s = time.monotonic()
        self._time_asked_s = 0.0
        self._looked_for_lost = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.clock = FarClock()

    def start(self) -> None:
        """Start listening, in the loop that runs."""
        self._contact_s = time.monotonic()
        self._tasks = [asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._watch())]

    async def close(self) -> None:
        """Stop listening; nothing more is to be expected."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._contact_s = 0.0
        self._wake_all()
        while self._waiting:  # each is told, and forgets itself
            await asyncio.sleep(0)
        await self._redis.close()

    @property
    def lost(self) -> bool:
        """Whether Redis has not been heard of for so long that no answer is to be expected."""
        return time.monotonic() - self._contact_s > _LOST_AFTER_S

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def expect(self, count: int) -> Waiting:
        """Return a new request that waits for *count* answers."""
        request = Waiting(next(self._numbers), count)
        self._waiting[request.number] = request
        return request

    def forget(self, request: Waiting) -> None:
        """Let what still comes for a request go by."""
        self._waiting.pop(request.number, None)

    async def _listen(self) -> None:
        failures = 0
        while True:
            try:
                await self._take_what_came()
                failures = 0
            except RedisError as error:
                failures += 1
                if failures == 1:
                    log.warning("redis_lost", what="replies", reason=type(error).__name__)
                await asyncio.sleep(min(_LONGEST_PAUSE_S, 0.02 * 2**failures) * random.uniform(0.5, 1.0))

    async def _take_what_came(self) -> None:
        self._deliver_all(await self._redis.call("BLMPOP", _LISTEN_S, 1, self.key, "LEFT", "COUNT", _MOST_AT_ONCE))
        self._contact_s = time.monotonic()
        if (connections := self._redis.connections) != self._looked_for_lost:
            await self._answer_what_is_lost()
            self._looked_for_lost = connections
        if self._contact_s - self._time_asked_s > _ASK_TIME_S:
            self._time_asked_s = self._contact_s
            seconds, microseconds = await self._redis.call("TIME")
            self.clock.learn(int(seconds) + int(microseconds) / 1e6, self._time_asked_s, time.monotonic())

    async def _answer_what_is_lost(self) -> None:
        """Answer items that have neither an entry in Redis any more nor an answer on our list.

        A Redis that ends takes with it what it did not write to its file, and answers that it had handed out, but not
        yet sent.
        """
        waiting = [
            (request, index, key)
            for request in self._waiting.values()
            for index, key in enumerate(request.entries)
            if key and request.answers[index] is None
        ]
        there = await asyncio.gather(*(self._redis.call("EXISTS", key) for _, _, key in waiting))
        while self._deliver_all(await self._redis.call("LMPOP", 1, self.key, "LEFT", "COUNT", _MOST_AT_ONCE)):
            pass
        for (request, index, _), is_there in zip(waiting, there, strict=True):
            if not is_there:
                request.take(index, LOST)

    def _deliver_all(self, found: tuple[bytes, list[bytes]] | None) -> bool:
        """Hand out what was on the list; return whether anything was."""
        for frame in found[1] if found else ():
            self._deliver(frame)
        return bool(found)

    def _deliver(self, frame: bytes) -> None:
        if wanted := read_wanted(frame):
            number, index = wanted
            if request := self._waiting.get(number):
                request.wanted(index)
            return
        number, index, answer = read_reply(frame)
        if request := self._waiting.get(number):
            request.take(index, answer)

    async def _watch(self) -> None:
        """Wake those who wait in vain."""
        while True:
            await asyncio.sleep(_LISTEN_S)
            if self.lost:
                self._wake_all()

    def _wake_all(self) -> None:
        for request in list(self._waiting.values()):
            request.wake()
