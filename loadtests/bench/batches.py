"""One client of a model server: ``python -m loadtests.bench.batches ORDER`` sends batches over gRPC, and counts."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import model_server_pb2_grpc
from chassis.rpc_client import aio_channel
from chassis.shared_memory import FOLDER, Region

_TIMEOUT_S = 60.0


class BatchOrder(msgspec.Struct, frozen=True):
    """Batches of *batch_size* pictures for a model server, *in_flight* at a time, until *end_at* (monotonic clock).

    They are in *shared* memory, or sent.
    """

    address: str
    model_key: str
    task: str
    files: list[str]
    batch_size: int
    in_flight: int
    end_at: float
    shared: bool = False


class BatchesSeen(msgspec.Struct, frozen=True):
    """When each batch was answered (monotonic clock), and how many of all items came back without a prediction."""

    answered_at: list[float]
    failed: int


async def send(order: BatchOrder) -> BatchesSeen:
    """Send until the end; raises grpc.RpcError."""
    channel = aio_channel(order.address)
    stub: Any = model_server_pb2_grpc.ModelServerStub(channel)
    payloads = [Path(file).read_bytes() for file in order.files]
    region = Region(FOLDER, 4 * sum(map(len, payloads))) if order.shared else None
    contents = [_content(payload, region) for payload in payloads]
    answered_at, failed = list[float](), list[int]()

    async def keep_sending(caller: int) -> None:
        start = caller * len(contents) // order.in_flight
        shown = itertools.islice(itertools.cycle(contents), start, None)
        stream = stub.Predict(timeout=order.end_at - time.monotonic() + _TIMEOUT_S)
        while time.monotonic() < order.end_at:
            await stream.write(_request(order, list(itertools.islice(shown, order.batch_size))))
            answer = await stream.read()
            answered_at.append(time.monotonic())
            failed.append(sum(not outcome.HasField("prediction") for outcome in answer.outcomes))

    await asyncio.gather(*map(keep_sending, range(order.in_flight)))
    await channel.close()
    return BatchesSeen(answered_at, sum(failed))


def _content(payload: bytes, region: Region | None) -> dict[str, Any]:
    """Return what an item says of a payload: the bytes, or where in *region* they are."""
    if region is None:
        return {"payload": payload}
    spot = region.put(payload)
    assert spot, "the region is made for all of them"
    return {"spot": pb.Spot(region=spot.region, offset=spot.offset, size=spot.size, number=spot.number)}


def _request(order: BatchOrder, contents: Sequence[dict[str, Any]]) -> pb.PredictRequest:
    items = [
        pb.Item(id=str(place), request_id="bench", task=order.task, time_left_s=_TIMEOUT_S, **content)
        for place, content in enumerate(contents)
    ]
    return pb.PredictRequest(model_key=order.model_key, items=items)


def main(arguments: Sequence[str]) -> int:
    """Run the order in the file that is named."""
    order = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=BatchOrder)
    sys.stdout.buffer.write(msgspec.msgpack.encode(asyncio.run(send(order))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
