"""Usage records on their way from Redis to the registry: in batches that may be sent twice and count once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from chassis.rpc import registry_pb2 as pb
from services.queue import broker
from services.queue.pipe import Pipe
from services.queue.scripts import run_async

Record = Callable[[str, Sequence[pb.UsageRecord]], Awaitable[object]]
"""Stores a batch of records under its id, once; raises where it could not."""


class _UsageRow(msgspec.Struct, array_like=True):
    """One record as the script that answers writes it (``count_usage`` in model.lua)."""

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


_ROWS = msgspec.json.Decoder(_UsageRow)


def _record(row: bytes) -> pb.UsageRecord:
    return pb.UsageRecord(**msgspec.structs.asdict(_ROWS.decode(row)))


async def send_usage(pipe: Pipe, me: str, record: Record) -> int:
    """Send one batch of dispatcher *me*, or an unfinished one of a dead one; return how many records it had.

    The batch stays in Redis until the registry has it: when *record* raises, or we die, it is sent again
    under the same id.
    """
    found = await run_async(pipe, broker.seal_usage(me))
    if not found:
        return 0
    batch_id, *rows = found
    await record(batch_id.decode(), [_record(row) for row in rows])
    await run_async(pipe, broker.usage_sent(batch_id.decode()))
    return len(rows)
