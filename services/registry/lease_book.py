"""The leases of this process: kept in memory, shared with other registry processes through MongoDB, ended in time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable

from chassis import logs, metrics
from chassis.errors import Unavailable
from chassis.rpc.registry_pb2 import Lease
from services.registry.documents import EndedLease, StoredLease
from services.registry.feed import Feed
from services.registry.leases import HeldLease, LeaseTable
from services.registry.store import Store

log = logs.logger()
LEASES = metrics.Gauge("servoir_registry_leases", "live leases")
_RETRY_S = 1.0


class LeaseBook:
    """Takes announcements and answers from memory, whether MongoDB is there or not.

    One thread ends leases when their time is over, another writes to MongoDB what has changed since its last write.
    ``feed`` gives all live leases after each change; ``clock`` is the one that leases end by.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self.clock = clock
        self._table = LeaseTable()
        self._unwritten: dict[str, StoredLease | EndedLease] = {}  # by instance, what MongoDB has not been told yet
        self._stopped = False
        self._heard = clock()
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._end_in_time, "lease-expiry"), (self._write_behind, "lease-writer"))
        ]
        self.feed: Feed[list[Lease]] = Feed([])

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Write what is not yet written, where MongoDB is there, and end both threads."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def announce(self, lease: Lease) -> None:
        """Hold or renew a lease; it has been checked. One that lost its address to it ends."""
        renewal = uuid.uuid4().hex
        with self._changed:
            outlived = self._table.outlived_by(lease)
            for instance_id in outlived:
                self._drop(instance_id)
            if self._table.take(lease, self.clock(), ours=True, renewal=renewal) or outlived:
                log.info(
                    "lease_changed", instance_id=lease.instance_id, model_key=lease.model_key, address=lease.address
                )
                self._show()
            self._unwritten[lease.instance_id] = StoredLease(lease, self._store.process_id, renewal)
            self._changed.notify_all()

    def withdraw(self, instance_id: str) -> None:
        """End a lease; one that is not there is a no-op."""
        with self._changed:
            if self._drop(instance_id):
                log.info("lease_withdrawn", instance_id=instance_id)
                self._show()
            self._changed.notify_all()

    def learn(self, instance_id: str, stored: StoredLease | None) -> None:
        """Take over what a process stored, or that it deleted this lease; what we stored ourselves is known."""
        with self._changed:
            if stored is None:
                announced = isinstance(self._unwritten.get(instance_id), StoredLease)
                changed = not announced and self._table.drop(instance_id)
            else:
                changed = self._take_stored(stored)
            if changed:
                self._show()
            self._changed.notify_all()

    def load(self, stored: Iterable[StoredLease]) -> None:
        """Take over all stored leases, each for one ``ttl_s`` from now, after a start or after MongoDB was away."""
        with self._changed:
            there = {it.lease.instance_id: it for it in stored}
            gone = [instance_id for instance_id in self._table.learnt() if instance_id not in there]
            dropped = [self._table.drop(instance_id) for instance_id in gone]
            taken = [self._take_stored(it) for it in there.values()]
            if any(dropped + taken):
                self._show()
            self._changed.notify_all()

    def heard(self, at: float) -> None:
        """Take note that all that was stored before *at*, by this book's clock, has been learnt."""
        with self._changed:
            self._heard = at
            until = self._table.next_expiry(ours=False)
            if until is not None and until <= at:
                self._changed.notify_all()

    def _drop(self, instance_id: str) -> bool:
        self._unwritten[instance_id] = EndedLease()
        return self._table.drop(instance_id)

    def _take_stored(self, stored: StoredLease) -> bool:
        if stored.by == self._store.process_id or stored.lease.instance_id in self._unwritten:
            return False
        return self._table.take(stored.lease, self.clock(), ours=False, renewal=stored.renewal)

    def _show(self) -> None:
        live = self._table.live()
        LEASES.set(len(live))
        self.feed.put(live)

    def _end_in_time(self) -> None:
        with self._changed:
            while not self._stopped:
                over = self._table.expire(self.clock(), heard=self._heard)
                for held in over:
                    self._end(held)
                if over:
                    self._show()
                    self._changed.notify_all()
                until = self._table.next_expiry(ours=True)
                self._changed.wait(None if until is None else max(0.0, until - self.clock()))

    def _end(self, held: HeldLease) -> None:
        lease = held.lease
        log.warning("lease_expired", instance_id=lease.instance_id, model_key=lease.model_key, address=lease.address)
        self._unwritten[lease.instance_id] = EndedLease(held.renewal)

    def _write_behind(self) -> None:
        failing = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or bool(self._unwritten))
                batch, self._unwritten = self._unwritten, {}
            try:
                if batch:
                    self._store.write_leases(batch)
                failing = False
            except Unavailable as error:
                if not failing:
                    log.warning("leases_not_stored", reason=error.detail)
                failing = True
                with self._changed:
                    self._unwritten = batch | self._unwritten  # unless something newer is known of a lease by now
            with self._changed:
                if self._stopped and (failing or not self._unwritten):
                    return
                if failing:
                    self._changed.wait_for(lambda: self._stopped, timeout=_RETRY_S)
