"""Models of plain tensors in a real process: what they are sent, and what the server makes up for them at its start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chassis.rpc import inference_pb2 as pb
from chassis.rpc import inference_pb2_grpc
from tests.integration.model_server.serving import Serving
from tests.model_folders import model_folder
from tests.tiny_models import onnx_model

SUM_OF_32 = "g (float[N,K] numbers) => (float[N,1] sum) <float[32,1] ones = {%s}> { sum = MatMul(numbers, ones) }"


def tensor_folder(folder: Path, graph: str) -> Path:
    """Return a folder whose model, ``acme-tensors-1``, is *graph* in ONNX's own notation."""
    told = {"problem_id": "tensors", "task": "tensor", "dnnarch": "tensor", "framework_type": "onnx"}
    return model_folder(folder / "model", {"model.onnx": onnx_model(folder, graph)}, **told)


def answer(serving: Serving, tensor: pb.ModelInferRequest.InferInputTensor) -> bytes:
    """Return the one output for *tensor*, raw."""
    stub = inference_pb2_grpc.GRPCInferenceServiceStub(serving.channel)
    response = stub.ModelInfer(pb.ModelInferRequest(model_name="acme-tensors", inputs=[tensor]), timeout=20)
    [raw] = response.raw_output_contents
    return bytes(raw)


@pytest.fixture(params=["off", "quick"])
def disliking_zeros(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    """A model whose open axis must be 32, which nobody can know."""
    graph = SUM_OF_32 % ", ".join(["1"] * 32)
    serving = Serving(tensor_folder(tmp_path, graph), "--tune", request.param, "--max-batch-size", "2")
    yield serving
    serving.stop()


def test_a_model_that_takes_no_zeros_is_served_unmeasured(disliking_zeros: Serving) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="numbers", datatype="FP32", shape=[2, 32])
    tensor.contents.fp32_contents.extend([1.0] * 32 + [2.0] * 32)

    assert np.frombuffer(answer(disliking_zeros, tensor), "<f4").tolist() == [32.0, 64.0]
    [line] = disliking_zeros.log("not_measured")
    assert "numbers [1, 64]" in line["reason"]


def test_bytes_come_back_as_they_were_sent(tmp_path: Path) -> None:
    graph = "g (string[N,1] given) => (string[N,1] back) { back = Identity(given) }"
    serving = Serving(tensor_folder(tmp_path, graph), "--tune", "off")
    tensor = pb.ModelInferRequest.InferInputTensor(name="given", datatype="BYTES", shape=[1, 1])
    tensor.contents.bytes_contents.append(b"abc")

    assert answer(serving, tensor) == b"\x03\x00\x00\x00abc"
    assert not serving.log("not_measured")
    serving.stop()
