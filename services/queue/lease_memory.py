"""The last leases that a dispatcher saw, kept in Redis: one that starts while the registry is away goes on with them.

A server that has ended since is found out when it is called, and left out.
"""

from __future__ import annotations

from typing import Any

import redis.asyncio

from chassis.rpc import registry_pb2 as pb
from services.queue.broker import LEASES


async def remember(client: redis.asyncio.Redis, leases: list[pb.Lease]) -> None:
    """Keep these leases."""
    await client.set(LEASES, pb.LeasesSnapshot(leases=leases).SerializeToString())


async def recall(client: redis.asyncio.Redis) -> list[pb.Lease] | None:
    """Return the leases that were kept last, or None."""
    found: Any = await client.get(LEASES)
    return list(pb.LeasesSnapshot.FromString(found).leases) if found else None
