"""Usage on its way from Redis to the registry: summed up, in batches that may be sent twice and count once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec

from chassis.rpc import registry_pb2 as pb
from services.queue import broker
from services.queue.pipe import Pipe
from services.queue.scripts import run_async
from services.registry.client import latency_bucket

Record = Callable[[pb.UsageBatch], Awaitable[object]]
"""Stores a batch once; raises where it could not."""


class UsageRow(msgspec.Struct, array_like=True):
    """One answered image as the script that answers writes it (``count_usage`` in model.lua)."""

    request_id: str
    client_id: str
    model_key: str
    task: str
    status: int
    answered_at_ms: int
    payload_bytes: int
    wait_s: float
    service_s: float
    batch_size: int
    attempts: int
    image_index: int = 0


_ROWS = msgspec.json.Decoder(UsageRow)


def summed(rows: Iterable[UsageRow]) -> list[pb.UsageSum]:
    """Return what *rows* come to, by client, model, status, second and bucket of their latency. Pure."""
    sums: dict[tuple[str, str, int, int, int], pb.UsageSum] = {}
    for row in rows:
        second_ms = row.answered_at_ms // 1000 * 1000
        about = (row.client_id, row.model_key, row.status, second_ms, latency_bucket(row.wait_s + row.service_s))
        one = sums.get(about)
        if one is None:
            client, model, status, at_ms, bucket = about
            one = pb.UsageSum(client_id=client, model_key=model, status=status, answered_at_ms=at_ms, bucket=bucket)
            sums[about] = one
        one.images += 1
        one.requests += int(row.image_index == 0)
        one.payload_bytes += row.payload_bytes
        one.service_s += row.service_s
    return list(sums.values())


async def send_usage(pipe: Pipe, me: str, record: Record) -> int:
    """Send one batch of dispatcher *me*, or an unfinished one of a dead one; return how many images it had.

    The batch stays in Redis until the registry has it: when *record* raises, or we die, it is sent again
    under the same id.
    """
    found = await run_async(pipe, broker.seal_usage(me))
    if not found:
        return 0
    batch_id = found[0].decode()
    rows = [_ROWS.decode(row) for row in found[1:]]
    answered = "".join(f"{row.request_id} {row.image_index} {row.status}\n" for row in rows)
    await record(pb.UsageBatch(batch_id=batch_id, sums=summed(rows), answered=answered))
    await run_async(pipe, broker.usage_sent(batch_id))
    return len(rows)
