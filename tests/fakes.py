"""Small real servers that stand in for the big ones: a model server that hashes, and a registry of leases.

Both speak the real protocols over real gRPC. The model server runs inside a test, or as a process that can be killed:
``python -m tests.fakes --address 127.0.0.1:8501 …``. What it does with a payload, the payload says:

- ``poison…``      the process ends, as from a signal (inside a test: the call is cut);
- ``problem…``     the item's own outcome is a 422;
- ``fail…``        the whole call fails with INTERNAL;
- ``refuse…``      the whole call is refused with UNAVAILABLE, as by a server that drains;
- ``sleep:S:…``    its batch takes S seconds longer;
- ``hold…``        its batch takes until the servicer's ``gate`` is set (30 s at most);
- anything else    its SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import grpc

from chassis.errors import ModelFailed, NotFound, Unavailable
from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import model_server_pb2_grpc, registry_pb2, registry_pb2_grpc
from chassis.rpc_server import RpcServer
from chassis.shared_memory import Reader, Spot

MODEL = "acme-hash-1"


def prediction_of(payload: bytes) -> bytes:
    """Return what the fake model answers for *payload*."""
    return json.dumps({"sha256": hashlib.sha256(payload).hexdigest(), "size": len(payload), "regions": []}).encode()


class HashServicer(model_server_pb2_grpc.ModelServerServicer):
    """Runs ``concurrency`` batches side by side, each for ``delay_s + items * item_delay_s``.

    What is to be run at once runs beside them.
    """

    def __init__(
        self,
        model_key: str = MODEL,
        *,
        delay_s: float = 0.0,
        item_delay_s: float = 0.0,
        concurrency: int = 1,
        journal: Path | None = None,
        shared_memory: Path | None = None,
    ) -> None:
        self.model_key, self.delay_s, self.item_delay_s = model_key, delay_s, item_delay_s
        self.batches: list[list[str]] = []
        self.deadlines_s: list[float] = []
        """By this process's ``time.perf_counter``; 0.0 for those that were not told so."""
        self.late_items = 0
        self.streams = 0
        """How many were opened to bring batches."""
        self.obeys = True
        self.gate = threading.Event()
        self.ways: list[str] = []
        """How each payload came: ``sent``, or ``memory`` where it was read from shared memory."""
        self._memory = Reader(shared_memory) if shared_memory else None
        self._journal = journal.open("a", buffering=1) if journal else None
        self._executions = threading.BoundedSemaphore(concurrency)

    def Predict(  # noqa: N802
        self, requests: Iterator[pb.PredictRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.PredictResponse]:
        self.streams += 1
        for request in requests:
            yield self._predict(request)

    def _predict(self, request: pb.PredictRequest) -> pb.PredictResponse:
        arrived_s = time.monotonic()
        gone = self._read_payloads(request)
        if not request.items:
            return pb.PredictResponse(outcomes=gone, clock_s=time.perf_counter())
        with nullcontext() if request.at_once else self._executions:
            wait_s = time.monotonic() - arrived_s
            self._note(request, wait_s)
            for item in request.items if self.obeys else ():
                self._obey(bytes(item.payload))
            time.sleep(self.delay_s + self.item_delay_s * len(request.items))
        timings = pb.Timings(wait_s=wait_s, infer_s=self.delay_s, total_s=time.monotonic() - arrived_s)
        outcomes = [self._outcome(item) for item in request.items]
        outcomes += gone
        return pb.PredictResponse(outcomes=outcomes, timings=timings, clock_s=time.perf_counter())

    def _read_payloads(self, request: pb.PredictRequest) -> list[pb.Outcome]:
        """Put the payloads that are in memory into their items; what is gone is taken out, and said so."""
        gone = []
        for item in list(request.items):
            if item.HasField("spot"):
                spot = item.spot
                assert self._memory, "it was said to share no memory"
                try:
                    item.payload = self._memory.read(Spot("", spot.region, spot.offset, spot.size, spot.number))
                except NotFound:
                    gone.append(pb.Outcome(id=item.id, gone=True))
                    request.items.remove(item)
                    continue
            self.ways.append("memory" if item.HasField("spot") else "sent")
        return gone

    def _note(self, request: pb.PredictRequest, wait_s: float) -> None:
        self.batches.append([item.request_id for item in request.items])
        self.deadlines_s += [item.by_s for item in request.items]
        for item in request.items:
            self.late_items += item.time_left_s <= wait_s
            if self._journal:
                print(item.request_id, item.id, len(request.items), f"{item.time_left_s:.4f}", file=self._journal)

    def _obey(self, payload: bytes) -> None:
        if payload.startswith(b"poison"):
            os._exit(137)
        if payload.startswith(b"fail"):
            raise ModelFailed("told to fail")
        if payload.startswith(b"refuse"):
            raise Unavailable("told to refuse")
        if payload.startswith(b"sleep:"):
            time.sleep(float(payload.split(b":")[1]))
        if payload.startswith(b"hold"):
            self.gate.wait(30)

    @staticmethod
    def _outcome(item: pb.Item) -> pb.Outcome:
        if item.payload.startswith(b"problem"):
            return pb.Outcome(id=item.id, problem=pb.Problem(status=422, title="Undecodable image", detail="as told"))
        return pb.Outcome(id=item.id, prediction=prediction_of(item.payload), timings=pb.Timings(decode_s=0.001))

    def Describe(self, request: pb.DescribeRequest, context: grpc.ServicerContext) -> pb.Description:  # noqa: N802
        return pb.Description(model_key=self.model_key, engine="hash", tasks=["bbox"], clock_s=time.perf_counter())

    def Drain(self, request: pb.DrainRequest, context: grpc.ServicerContext) -> pb.DrainResponse:  # noqa: N802
        return pb.DrainResponse()


class FakeModelServer:
    """A HashServicer on a port of this process."""

    def __init__(self, servicer: HashServicer, address: str = "127.0.0.1:0", threads: int = 16) -> None:
        self.servicer = servicer
        self._server = RpcServer(
            address,
            lambda server: model_server_pb2_grpc.add_ModelServerServicer_to_server(servicer, server),
            service_names=["servoir.v1.ModelServer"],
            threads=threads,
        )
        self.port = self._server.start()
        self._server.serving(True)
        self.address = f"127.0.0.1:{self.port}"

    def wait(self) -> None:
        self._server.wait()

    def stop(self) -> None:
        self._server.stop(0)


def lease(
    instance_id: str,
    address: str,
    *,
    model_key: str = MODEL,
    batch_size: int = 8,
    concurrency: int = 1,
    service_s: float = 0.0,
    draining: bool = False,
    shared_memory: str = "",
) -> registry_pb2.Lease:
    """Return what a model server with these measurements announces."""
    times = [pb.ServiceTime(batch_size=size, seconds=service_s) for size in (1, batch_size)] if service_s else []
    return registry_pb2.Lease(
        instance_id=instance_id,
        model_key=model_key,
        address=address,
        draining=draining,
        shared_memory=shared_memory,
        ttl_s=3.0,
        capacity=pb.Capacity(
            max_batch_size=batch_size, best_batch_size=batch_size, concurrency=concurrency, service_times=times
        ),
    )


class Counted(NamedTuple):
    """An image of a request that was answered with a status, and counted."""

    request_id: str
    image_index: int
    status: int


class FakeRegistry(registry_pb2_grpc.RegistryServicer):
    """A registry that gives out the leases it is told, and keeps the usage that it is sent."""

    def __init__(self, port: int = 0) -> None:
        self.usage: dict[str, registry_pb2.UsageBatch] = {}
        self._leases: list[registry_pb2.Lease] = []
        self._changed = threading.Condition()
        self._closed = False
        self._server = grpc.server(futures.ThreadPoolExecutor(16))
        registry_pb2_grpc.add_RegistryServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"
        self._server.start()

    def lease(self, *leases: registry_pb2.Lease) -> None:
        """Let these be all leases."""
        with self._changed:
            self._leases = list(leases)
            self._changed.notify_all()

    def counted(self) -> list[Counted]:
        """Return the images whose usage was counted, each batch once."""
        return [
            Counted(request_id, int(index), int(status))
            for batch in self.usage.values()
            for request_id, index, status in map(str.split, batch.answered.splitlines())
        ]

    def sums(self) -> list[registry_pb2.UsageSum]:
        """Return all sums of usage, each batch once."""
        return [one for batch in self.usage.values() for one in batch.sums]

    def stop(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.stop(0).wait()

    def WatchLeases(  # noqa: N802
        self, request: registry_pb2.WatchLeasesRequest, context: grpc.ServicerContext
    ) -> Iterator[registry_pb2.LeasesSnapshot]:
        seen: Sequence[registry_pb2.Lease] | None = None
        while context.is_active() and not self._closed:
            with self._changed:
                if seen is self._leases:
                    self._changed.wait(0.5)
                    continue
                seen = self._leases
            yield registry_pb2.LeasesSnapshot(leases=seen)

    def RecordUsage(  # noqa: N802
        self, request: registry_pb2.UsageBatch, context: grpc.ServicerContext
    ) -> registry_pb2.RecordUsageResponse:
        stored = request.batch_id not in self.usage
        self.usage.setdefault(request.batch_id, request)
        return registry_pb2.RecordUsageResponse(stored=stored)


def main() -> None:
    parser = argparse.ArgumentParser(description="a model server that hashes")
    parser.add_argument("--address", required=True)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--item-delay-s", type=float, default=0.0)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--journal", type=Path)
    given = parser.parse_args()
    servicer = HashServicer(
        given.model,
        delay_s=given.delay_s,
        item_delay_s=given.item_delay_s,
        concurrency=given.concurrency,
        journal=given.journal,
    )
    server = FakeModelServer(servicer, given.address)
    print("listening", flush=True)
    server.wait()


if __name__ == "__main__":
    main()
