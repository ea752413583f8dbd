"""The model servers of one model: who has a lease, which of them gets the next batch, which are left out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from chassis import logs
from chassis.background import Background
from chassis.rpc import registry_pb2 as pb
from services.queue import metrics, routing
from services.queue.anticipation import Next
from services.queue.replica import Replica

log = logs.logger()


class Turn(NamedTuple):
    """The *replica* that gets the next batch, *in_s* from now."""

    replica: Replica
    in_s: float


class Replicas:
    """All model servers of *model* that have a lease; *opened* is called when one may take more than a moment ago."""

    def __init__(self, model: str, opened: Callable[[], None]) -> None:
        self._model, self._opened = model, opened
        self._by_instance: dict[str, Replica] = {}
        self._background = Background()
        self.known = False
        """Whether anyone has said yet which there are."""

    def __bool__(self) -> bool:
        return bool(self._by_instance)

    def follow(self, leases: Sequence[pb.Lease]) -> None:
        """Take in which are alive now."""
        self.known = True
        for lease in leases:
            if lease.instance_id in self._by_instance:
                self._by_instance[lease.instance_id].update(lease)
            else:
                self._by_instance[lease.instance_id] = Replica(lease)
                log.info("replica_found", model=self._model, replica=lease.instance_id, address=lease.address)
        for gone in self._by_instance.keys() - {lease.instance_id for lease in leases}:
            log.info("replica_gone", model=self._model, replica=gone)
            self._background.start(_close_when_idle(self._by_instance.pop(gone)))
        self._opened()

    async def close(self) -> None:
        """Speak to none of them any more."""
        self._background.cancel()
        for replica in self._by_instance.values():
            await replica.client.close()

    # -- which is next -----------------------------------------------------------------------------

    def idle(self) -> Replica | None:
        """Return one that may get a batch and has nothing to do, or None."""
        return self._chosen(routing.choose_idle)

    def host(self) -> Replica | None:
        """Return one that may get a newcomer's item beside what it does, or None."""
        return self._chosen(routing.choose_host)

    def _chosen(self, choose: Callable[[Sequence[routing.Load]], int | None]) -> Replica | None:
        replicas = list(self._by_instance.values())
        place = choose([replica.load for replica in replicas])
        return None if place is None else replicas[place]

    def first_free(self, *, without: Collection[Replica], sparing: bool) -> Turn | None:
        """Return the one that is free first, *without* some, or None where none has room.

        *sparing* the emptiest: it gets nothing new, so that it is idle soon.
        """
        now_s = time.monotonic()
        replicas = [replica for replica in self._by_instance.values() if replica not in without]
        loads = [replica.load for replica in replicas]
        if sparing and (spared := routing.choose_to_empty(loads)) is not None:
            del replicas[spared], loads[spared]
        place = routing.choose(loads, now_s)
        return None if place is None else Turn(replicas[place], routing.opens_in_s(loads[place], now_s))

    def alone_s(self, *, but: Replica) -> float:
        """Return after how long an item is back from the quickest of all *but* one; infinite without any."""
        others = (replica for replica in self._by_instance.values() if replica is not but and replica.usable)
        return min((replica.expected_s(1) for replica in others), default=math.inf)

    def next_of(self, replica: Replica) -> Next:
        """Return what the next batch of *replica* is like."""
        most, expected_s = replica.batch_size, replica.latency.expected_s
        free = sum(each.free_executions for each in self._by_instance.values()) if replica.free_executions else 0
        return Next(most, expected_s(1), expected_s(most), free, replica.back_next())

    def slowest_s(self) -> float:
        """Return after how long one item is back from any that may get it; 0 without one."""
        return max((replica.expected_s(1) for replica in self._by_instance.values() if replica.usable), default=0.0)

    def least_s(self) -> float:
        """Return the shortest time that one item took of late at any: less is hopeless. 0 where that is not known."""
        now_s = time.monotonic()
        return min((replica.latency.least_s(now_s) for replica in self.counted()), default=0.0)

    def counted(self) -> list[Replica]:
        """Return those that admission reckons with.

        One that is left out may be back before its lease ends: without any other, reckon with it.
        """
        live = [replica for replica in self._by_instance.values() if not replica.draining]
        return [replica for replica in live if replica.usable] or live

    # -- which are left out ------------------------------------------------------------------------

    def probe(self, replica: Replica) -> None:
        """Ask *replica*, which is left out, whether it lives, until it does or its lease ends."""
        if not replica.probing:
            self._background.start(self._probe(replica))

    async def _probe(self, replica: Replica) -> None:
        """Ask less and less often."""
        replica.probing = True
        while replica.breaker.open and self._by_instance.get(replica.instance_id) is replica:
            await asyncio.sleep(max(0.0, replica.breaker.probe_at_s - time.monotonic()))
            await replica.probe()
        replica.probing = False
        self._opened()

    def show(self) -> None:
        """Set what operators see of them."""
        usable = sum(replica.usable for replica in self._by_instance.values())
        metrics.REPLICAS.labels(self._model, "live").set(len(self._by_instance))
        metrics.REPLICAS.labels(self._model, "usable").set(usable)


async def _close_when_idle(replica: Replica) -> None:
    while not replica.idle:
        await asyncio.sleep(0.1)
    await replica.client.close()
