"""The Open Inference Protocol on a real server process, by NVIDIA's client and by calls that nobody should make."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.rpc import inference_pb2 as pb
from chassis.rpc import inference_pb2_grpc
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder

TRITON = Path(__file__).with_name("triton_calls.py")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    served = Serving(
        echo_folder(tmp_path_factory.mktemp("echo")), "--tune", "off", "--batch-size", "4", "--max-batch-size", "4"
    )
    yield served
    served.stop()


@pytest.fixture(scope="module")
def stub(serving: Serving) -> Any:
    return inference_pb2_grpc.GRPCInferenceServiceStub(serving.channel)


def files(*payloads: bytes, name: str = "acme-echo", version: str = "") -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=name, model_version=version, id="r-1")
    tensor = request.inputs.add(name="image", datatype="BYTES", shape=[len(payloads), 1])
    tensor.contents.bytes_contents.extend(payloads)
    return request


def lengths(response: pb.ModelInferResponse) -> list[int]:
    (output,) = response.outputs
    array = np.frombuffer(response.raw_output_contents[0], "<i4").reshape(tuple(output.shape))
    return [int(value) for value in array]


def refusal(stub: Any, request: pb.ModelInferRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        stub.ModelInfer(request, timeout=20)
    return raised.value.code(), raised.value.details()


def test_nvidias_client_works_unmodified(serving: Serving, tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    for path, content in zip(paths, (b"abc", b"defgh"), strict=True):
        path.write_bytes(content)

    ran = subprocess.run(
        [sys.executable, str(TRITON), serving.address, "acme-echo", *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    said = json.loads(ran.stdout)

    assert (said["live"], said["ready"], said["model_ready"]) == (True, True, True)
    assert not said["other_ready"]
    assert said["server"]["name"] == "servoir"
    assert said["metadata"]["versions"] == ["1"]
    assert said["metadata"]["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": ["-1", "1"]}]
    assert said["config"]["max_batch_size"] == 4
    assert said["index"]["models"] == [{"name": "acme-echo", "version": "1", "state": "READY"}]
    assert said["outputs"] == {"length": [3, 5]}
    assert said["id"] == "asked-7"
    assert said["statistics"]["model_stats"][0]["inference_count"] == "2"
    assert said["unknown_model"][0] == said["unknown_version"][0] == "StatusCode.NOT_FOUND"


def test_a_model_is_found_by_its_short_name_and_its_key_with_and_without_version(stub: Any) -> None:
    for name in ("acme-echo", "acme-echo-1"):
        for version in ("", "1"):
            response = stub.ModelInfer(files(b"four", name=name, version=version), timeout=20)
            assert lengths(response) == [4]
            assert (response.id, response.model_name, response.model_version) == ("r-1", name, "1")
    for name, version in (("acme-echo", "2"), ("acme", ""), ("", ""), ("acme-echo-2", "")):
        assert refusal(stub, files(b"four", name=name, version=version))[0] == grpc.StatusCode.NOT_FOUND
        assert not stub.ModelReady(pb.ModelReadyRequest(name=name, version=version), timeout=20).ready


def test_predict_and_infer_answer_the_same_item(serving: Serving, stub: Any) -> None:
    outcome = serving.predict("acme-echo-1", [b"sixsix"]).outcomes[0]

    assert json.loads(outcome.prediction)["classes"][0]["label"] == f"{zlib.crc32(b'sixsix'):08x}"
    assert lengths(stub.ModelInfer(files(b"sixsix"), timeout=20)) == [6]
    tensor = serving.predict("acme-echo-1", [files(b"sixsix").SerializeToString()], task="tensor").outcomes[0]
    assert lengths(pb.ModelInferResponse.FromString(tensor.prediction)) == [6]


def test_bad_requests_say_what_is_wrong_with_them(stub: Any) -> None:
    unknown = files(b"x")
    unknown.inputs[0].name = "picture"
    wrong_type = pb.ModelInferRequest(model_name="acme-echo")
    wrong_type.inputs.add(name="length", datatype="FP32", shape=[1]).contents.fp32_contents.append(1.0)

    for request, told in (
        (files(*[b"x"] * 5), "a batch of 5 items: this model takes up to 4"),
        (pb.ModelInferRequest(model_name="acme-echo"), "first axis"),
        (unknown, "no such input: 'picture'"),
        (wrong_type, "FP32; the model takes INT32"),
    ):
        code, details = refusal(stub, request)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert told in details


def test_reflection_lists_the_standard_service(serving: Serving) -> None:
    services = ProtoReflectionDescriptorDatabase(serving.channel).get_services()

    assert "inference.GRPCInferenceService" in services


tensors = st.builds(
    pb.ModelInferRequest.InferInputTensor,
    name=st.sampled_from(["image", "length", ""]),
    datatype=st.sampled_from(["BYTES", "INT32", "FP32", "BOOL", "FP16", "", "UINT64"]),
    shape=st.lists(st.integers(-2, 5) | st.sampled_from([2**31, 2**62]), max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(tensors, max_size=3), st.lists(st.binary(max_size=64), max_size=3), st.binary(max_size=40))
def test_no_request_ends_the_server_or_is_a_bug(
    serving: Serving, stub: Any, inputs: list[Any], raw: list[bytes], junk: bytes
) -> None:
    request = pb.ModelInferRequest(model_name="acme-echo", inputs=inputs, raw_input_contents=raw)
    send = serving.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    for payload in (request.SerializeToString(), request.SerializeToString() + junk, junk):
        try:
            send(payload, timeout=20)
        except grpc.RpcError as error:
            answered: Any = error
            malformed = answered.details() == "Exception deserializing request!"
            assert malformed or answered.code() != grpc.StatusCode.INTERNAL, answered.details()
    assert stub.ServerReady(pb.ServerReadyRequest(), timeout=20).ready
