"""The last leases that a dispatcher saw, kept in Redis: one that starts while the registry is away goes on with them.

A server that has ended since is found out when it is called, and left out.
"""

from __future__ import annotations

from typing import Any

from chassis.rpc import registry_pb2 as pb
from services.queue.keys import LEASES
from services.queue.pipe import Pipe


async def remember(pipe: Pipe, leases: list[pb.Lease]) -> None:
    """Keep these leases."""
    await pipe.call("SET", LEASES, pb.LeasesSnapshot(leases=leases).SerializeToString())


async def recall(pipe: Pipe) -> list[pb.Lease] | None:
    """Return the leases that were kept last, or None."""
    found: Any = await pipe.call("GET", LEASES)
    return list(pb.LeasesSnapshot.FromString(found).leases) if found else None
