"""The table of leases: who is alive, until when. Pure: the clock is an argument, any clock that only goes forward.

A lease is ours when it was announced to this process, and learnt when another registry process stored it. A learnt one
only ends when MongoDB has been heard after its time without a renewal: while MongoDB is away, renewals cannot reach us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chassis.errors import BadRequest
from chassis.rpc.registry_pb2 import Lease

LONGEST_TTL_S = 3600.0


@dataclass(frozen=True)
class HeldLease:
    """A live lease: until when, whether announced to us, and the id of its last renewal."""

    lease: Lease
    until: float
    ours: bool
    renewal: str


def check_lease(lease: Lease) -> None:
    """Raise BadRequest naming every bad field of an announcement."""
    faults = [f"{name}: missing" for name in ("instance_id", "model_key", "address") if not getattr(lease, name)]
    host, _, port = lease.address.rpartition(":")
    if lease.address and not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        faults.append("address: say host:port")
    if not (math.isfinite(lease.ttl_s) and 0 < lease.ttl_s <= LONGEST_TTL_S):
        faults.append(f"ttl_s: seconds above 0, up to {LONGEST_TTL_S:g}")
    if faults:
        raise BadRequest("bad lease: " + "; ".join(faults))


class LeaseTable:
    """Live leases by their instance."""

    def __init__(self) -> None:
        self._held: dict[str, HeldLease] = {}

    def take(self, lease: Lease, now: float, *, ours: bool, renewal: str) -> bool:
        """Hold or renew a lease for one ``ttl_s`` from *now*; return whether anything but its end changed."""
        before = self._held.get(lease.instance_id)
        self._held[lease.instance_id] = HeldLease(lease, now + lease.ttl_s, ours, renewal)
        return before is None or before.lease != lease

    def outlived_by(self, lease: Lease) -> list[str]:
        """Return the instances that must be gone because *lease* started on their address after them."""
        return [
            held.lease.instance_id
            for held in self._held.values()
            if held.lease.address == lease.address and held.lease.started_at_ms < lease.started_at_ms
        ]

    def drop(self, instance_id: str) -> bool:
        """End a lease; return whether it was there."""
        return self._held.pop(instance_id, None) is not None

    def expire(self, now: float, *, heard: float) -> list[HeldLease]:
        """End and return the leases whose time is over at *now*, or (learnt ones) when MongoDB was last *heard*."""
        over = [held for held in self._held.values() if held.until <= (now if held.ours else heard)]
        for held in over:
            del self._held[held.lease.instance_id]
        return over

    def next_expiry(self, *, ours: bool) -> float | None:
        """Return when the next of our leases, or of the learnt ones, ends; None where there is none."""
        return min((held.until for held in self._held.values() if held.ours is ours), default=None)

    def live(self) -> list[Lease]:
        """Return the leases in the order of their models and instances."""
        leases = [held.lease for held in self._held.values()]
        return sorted(leases, key=lambda lease: (lease.model_key, lease.started_at_ms, lease.instance_id))

    def learnt(self) -> list[str]:
        """Return the instances of the leases that other registry processes hold."""
        return [instance_id for instance_id, held in self._held.items() if not held.ours]

    def __len__(self) -> int:
        return len(self._held)
