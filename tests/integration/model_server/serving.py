"""A model server as a process of its own, and calls to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import grpc

from chassis.rpc import model_server_pb2 as pb
from chassis.rpc import model_server_pb2_grpc
from chassis.rpc_client import channel
from tests.parts import Server, free_port, wait_until


class Serving:
    """A process that serves the model in *folder*; its log and what it keeps go beside it."""

    def __init__(self, folder: Path, *options: str, wait: bool = True, registry: str = "") -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.log_file = folder / f"server-{port}.log"
        told = ["--model", str(folder), "--address", self.address, "--registry", registry]
        self.server = Server(
            [sys.executable, "-m", "services.model_server", *told, *options],
            lambda: not wait or any(event["event"] == "model_serving" for event in self.log()),
            self.log_file,
            env={"SERVOIR_HOME": str(folder / "home")},
        )
        self._channel = channel(self.address)
        self.stub: Any = model_server_pb2_grpc.ModelServerStub(self._channel)

    @property
    def channel(self) -> grpc.Channel:
        return self._channel

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """Return the log's lines, or those of one *event*."""
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if event in ("", line["event"])]

    def predict(self, key: str, payloads: Sequence[bytes], *, task: str = "bbox", time_left_s: float = 30.0) -> Any:
        items = [
            pb.Item(id=str(at), request_id=f"request-{at}", task=task, payload=payload, time_left_s=time_left_s)
            for at, payload in enumerate(payloads)
        ]
        return self.run_batch(pb.PredictRequest(model_key=key, items=items))

    def run_batch(self, request: pb.PredictRequest) -> pb.PredictResponse:
        """Return the answer to one batch, over a stream of its own."""
        [answer] = self.stub.Predict(iter([request]), timeout=60)
        return cast(pb.PredictResponse, answer)

    def exit_code(self, timeout_s: float = 60.0) -> int:
        """Wait for the process to end by itself and return its exit code."""
        wait_until(lambda: self.server.process.poll() is not None, timeout_s=timeout_s, what="the process ended")
        return int(self.server.process.returncode)

    def stop(self) -> None:
        self._channel.close()
        self.server.stop()
