"""One live model server as the dispatcher sees it: what it is doing, how fast it is, whether it is left out."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from chassis.errors import ServoirError
from chassis.rpc import registry_pb2 as pb
from services.model_server.client import ModelServerClient, NotReached
from services.queue.breaker import Breaker
from services.queue.far_clock import FarClock
from services.queue.latency import Latency
from services.queue.plan import ReplicaPlan
from services.queue.routing import Load, free_in_s

_FIRST_STALL_S = 5.0
_STALL_FACTOR = 10.0
_LEAD_S = 0.003
_SMOOTHING = 0.2
_SENT_S = 5.0


class _Sent(NamedTuple):
    """A batch that is there: when it is to be back, and of how many items."""

    ends_s: float
    items: int


class Replica:
    """A model server under one lease. Times are in the clock of ``time.monotonic``."""

    def __init__(self, lease: pb.Lease) -> None:
        self.instance_id = lease.instance_id
        self.client = ModelServerClient(lease.address)
        self.latency = Latency({time.batch_size: time.seconds for time in lease.capacity.service_times})
        self.breaker = Breaker()
        self.clock = FarClock()
        self.alone = False
        """Whether a suspect is at it, which nothing else may share."""
        self.probing = False
        """Whether someone asks it already whether it is back."""
        self._around_s = self._handover_s = self._next_s = 0.0
        self._sent: dict[int, _Sent] = {}
        self._guest: int | None = None
        self._chosen = 0
        self._numbers = itertools.count()
        self._send_until_s = 0.0
        self.update(lease)

    def update(self, lease: pb.Lease) -> None:
        """Take in what a renewed lease says."""
        capacity = lease.capacity
        self.draining = lease.draining
        self._memory = lease.shared_memory
        self.concurrency = max(1, capacity.concurrency)
        self.batch_size = max(1, capacity.best_batch_size or capacity.max_batch_size)

    @property
    def usable(self) -> bool:
        """Whether it may get batches at all."""
        return not self.draining and not self.breaker.open

    @property
    def takes_more(self) -> bool:
        """Whether it may get batches now: no suspect is at it."""
        return self.usable and not self.alone

    @property
    def load(self) -> Load:
        """What routing needs to know."""
        ends_s, guest = [sent.ends_s for sent in self._sent.values()], self._guest is not None
        one_s = self.latency.expected_s(1)
        return Load(self.concurrency, ends_s, self.takes_more, self._lead_s(), self._next_s, guest, one_s)

    @property
    def memory(self) -> str:
        """The shared memory in which it reads payloads; '': they are sent."""
        return self._memory if time.monotonic() >= self._send_until_s else ""

    def cannot_read(self) -> None:
        """Send payloads for a while: it did not find one in shared memory that was there."""
        self._send_until_s = time.monotonic() + _SENT_S

    @property
    def plan(self) -> ReplicaPlan:
        """What admission needs to know."""
        return ReplicaPlan(
            self.concurrency,
            [round(self.latency.expected_s(size), 6) for size in range(1, self.batch_size + 1)],
            self.memory,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is at it, or about to be."""
        return not self._sent and self._guest is None and not self._chosen

    @property
    def free_executions(self) -> int:
        """How many batches it could run besides those that are there."""
        return max(0, self.concurrency - len(self._sent)) if self.takes_more else 0

    def back_next(self) -> int:
        """Return how many items come back from it next; 0 where nothing is there."""
        return min(self._sent.values(), default=_Sent(0.0, 0)).items

    @contextmanager
    def chosen(self) -> Iterator[None]:
        """Keep it, though its lease may end, while something is claimed for it."""
        self._chosen += 1
        try:
            yield
        finally:
            self._chosen -= 1

    def expected_s(self, size: int) -> float:
        """Return after how long a batch that is sent now should be back."""
        return free_in_s(self.load, time.monotonic()) + self.latency.expected_s(size)

    def begin(self, size: int) -> int:
        """Note that a batch goes there; return its number, for ``end``."""
        number = next(self._numbers)
        now_s = time.monotonic()
        self._sent[number] = _Sent(now_s + self.expected_s(size), size)
        self._next_s = now_s + self._handover_s
        return number

    def receive(self) -> int:
        """Note that a newcomer's item goes there as a guest, beside the batches; return a number as ``begin``."""
        self._guest = next(self._numbers)
        return self._guest

    def end(self, number: int) -> None:
        """Note that a batch is back, however it went."""
        if number == self._guest:
            self._guest = None
        else:
            del self._sent[number]

    def _lead_s(self) -> float:
        """Return how long before it gets free it should get its next batch: to travel and be decoded, and to spare."""
        return _LEAD_S + 1.5 * self._around_s + 0.1 * self.latency.expected_s(self.batch_size)

    def stall_s(self, size: int) -> float:
        """Return after how long without an answer the server counts as stalled."""
        return max(_FIRST_STALL_S, _STALL_FACTOR * self.latency.expected_s(size))

    def succeeded(self) -> None:
        """Note that it answered."""
        self.breaker.succeeded()

    def learn(self, size: int, service_s: float, *, infer_s: float, handover_s: float) -> None:
        """Note how a batch went; *infer_s* of *service_s* were inside the engine, *handover_s* on the way."""
        self._around_s += _SMOOTHING * (max(0.0, service_s - infer_s) - self._around_s)
        self._handover_s += _SMOOTHING * (max(0.0, handover_s) - self._handover_s)
        self.latency.learn(size, service_s, time.monotonic())

    def failed(self) -> None:
        """Leave it out until a probe succeeds."""
        self.breaker.failed(time.monotonic(), random.random())

    async def meet(self) -> None:
        """Learn the server's clock, unless it is known; raises NotReached.

        Even the first batch may lie in the server's socket while it stands still, and must not run too late then.
        """
        if self.clock.at_s(0.0) is not None:
            return
        try:
            asked_s = time.monotonic()
            description = await self.client.describe()
        except ServoirError as error:
            raise NotReached(error.detail) from error
        self.clock.learn(description.clock_s, asked_s, time.monotonic())

    async def probe(self) -> None:
        """Ask whether it lives; put it into use again if it does."""
        try:
            description = await self.client.describe()
        except ServoirError:
            self.failed()
        else:
            # Another process may have its address by now; that one has a lease of its own.
            if description.instance_id in ("", self.instance_id):
                self.breaker.succeeded()
            else:
                self.failed()
