"""A model server alone, without the suite around it, and batches sent to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import msgspec

from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import model_server_pb2_grpc
from chassis.rpc_client import channel
from chassis.settings import environment
from loadtests.bench import processes
from loadtests.bench.batches import BatchesSeen, BatchOrder
from loadtests.bench.generator import Picture
from loadtests.bench.models import ROOT, Model
from loadtests.bench.suite import free_block

_READY_S = 180.0
_WARM_UP_S = 1.5


class Batches(NamedTuple):
    """What came of batches: items per second, and microseconds of the server's CPU for each item."""

    items_per_s: float
    cpu_us: float


class ModelServer:
    """A server of *model*, from ``with`` to its end; *capacity* is what it announces."""

    capacity: pb.Capacity

    def __init__(self, home: Path, model: Model, *options: str) -> None:
        self._home, self._model = home, model
        self._address = f"127.0.0.1:{free_block(10)}"
        self._command = [sys.executable, "-m", "services.model_server", "--model", str(model.folder)]
        self._command += ["--address", self._address, "--registry", "", *options]

    def __enter__(self) -> ModelServer:
        self._home.mkdir(parents=True, exist_ok=True)
        variables = {**environment(), "SERVOIR_HOME": str(self._home)}
        with (self._home / f"{self._model.key}.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=variables, stdout=log, stderr=log)
        with channel(self._address) as open_channel:
            self.capacity = self._describe(model_server_pb2_grpc.ModelServerStub(open_channel)).capacity
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def run(self, pictures: Sequence[Picture], batch_size: int, *, seconds: float, shared: bool = False) -> Batches:
        """Send batches for *seconds*: one more than the server runs at a time, as the dispatcher does.

        The pictures are in *shared* memory, or sent.
        """
        begin = time.monotonic() + _WARM_UP_S
        order = BatchOrder(
            address=self._address,
            model_key=self._model.key,
            task=self._model.task,
            files=[picture.file for picture in pictures],
            batch_size=batch_size,
            in_flight=self.capacity.concurrency + 1,
            end_at=begin + seconds,
            shared=shared,
        )
        file = self._home / "order.json"
        file.write_bytes(msgspec.json.encode(order))
        command = [sys.executable, "-m", "loadtests.bench.batches", str(file)]
        client = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        time.sleep(max(0.0, begin - time.monotonic()))
        before = processes.cpu_s(self._process.pid, processes.stats())
        time.sleep(max(0.0, order.end_at - time.monotonic()))
        used_s = processes.cpu_s(self._process.pid, processes.stats()) - before
        seen = msgspec.msgpack.decode(client.communicate()[0], type=BatchesSeen)
        if seen.failed:
            raise RuntimeError(f"{self._model.key}: {seen.failed} items came back without a prediction")
        items = batch_size * sum(begin <= at < order.end_at for at in seen.answered_at)
        return Batches(items / seconds, 1e6 * used_s / max(1, items))

    def _describe(self, stub: Any) -> pb.Description:
        until = time.monotonic() + _READY_S
        while True:
            try:
                description: pb.Description = stub.Describe(pb.DescribeRequest(), timeout=1.0)
                return description
            except grpc.RpcError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.2)
