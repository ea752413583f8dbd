"""The Open Inference Protocol over REST, spoken by NVIDIA's own client, through a whole suite."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from tests.chaos.world import World
from tests.integration.gateway.conftest import predict

NAME = "chaos-echo"


@pytest.fixture
def client(world: World) -> Iterator[triton.InferenceServerClient]:
    made = triton.InferenceServerClient(world.gateways[0], concurrency=4)
    yield made
    made.close()


def images(*files: bytes, binary: bool = True) -> list[triton.InferInput]:
    tensor = triton.InferInput("image", [len(files), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[file] for file in files], dtype=np.object_), binary_data=binary)
    return [tensor]


def test_the_server_and_its_models_are_live_and_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert client.is_model_ready("chaos-echo-1")
    assert not client.is_model_ready("chaos-nothing")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]


def test_a_models_tensors_are_told(client: triton.InferenceServerClient) -> None:
    metadata, config = client.get_model_metadata(NAME, "1"), client.get_model_config(NAME)

    assert metadata["name"] == NAME
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1, 1]}]
    assert metadata["outputs"] == [{"name": "length", "datatype": "INT32", "shape": [-1]}]
    assert config["input"] == [{"name": "image", "data_type": "TYPE_STRING", "dims": [1]}]
    assert config["max_batch_size"] > 1


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_a_batch_of_images_gives_a_batch_of_outputs(
    client: triton.InferenceServerClient, binary_in: bool, binary_out: bool
) -> None:
    outputs = [triton.InferRequestedOutput("length", binary_data=binary_out)]

    result = client.infer(
        NAME, images(b"a" * 5, b"b" * 70, b"c" * 9, binary=binary_in), outputs=outputs, request_id="mine"
    )

    assert result.as_numpy("length").tolist() == [5, 70, 9]
    assert result.get_response()["id"] == "mine"
    assert (result.get_response()["model_name"], result.get_response()["model_version"]) == (NAME, "1")


def test_the_models_own_tensors_can_be_sent(client: triton.InferenceServerClient) -> None:
    tensor = triton.InferInput("length", [2], "INT32")
    tensor.set_data_from_numpy(np.array([7, 8], dtype=np.int32))

    assert client.infer(NAME, [tensor]).as_numpy("length").tolist() == [7, 8]


def test_many_requests_at_once_are_all_answered(client: triton.InferenceServerClient) -> None:
    waiting = [client.async_infer(NAME, images(b"x" * size)) for size in range(1, 65)]

    assert [one.get_result().as_numpy("length").tolist() for one in waiting] == [[size] for size in range(1, 65)]


def test_errors_say_what_is_wrong(client: triton.InferenceServerClient) -> None:
    with pytest.raises(triton.InferenceServerException, match="no such model"):
        client.infer("chaos-missing", images(b"x"), model_version="1")
    with pytest.raises(triton.InferenceServerException, match="this model takes up to 32"):
        client.infer(NAME, images(*[b"x"] * 33))
    with pytest.raises(triton.InferenceServerException, match="started and ended by the operator"):
        client.load_model(NAME)
    wrong = triton.InferInput("nothing", [1], "FP32")
    wrong.set_data_from_numpy(np.zeros(1, dtype=np.float32))
    with pytest.raises(triton.InferenceServerException) as caught:
        client.infer(NAME, [wrong])
    assert caught.value.status() == "400"


def test_the_index_and_the_statistics_name_the_model(world: World, client: triton.InferenceServerClient) -> None:
    predict(world)

    index, statistics = client.get_model_repository_index(), client.get_inference_statistics(NAME)

    assert {"name": NAME, "version": "1", "state": "READY", "reason": ""} in index
    assert statistics["model_stats"][0]["name"] == NAME
    assert statistics["model_stats"][0]["inference_stats"]["success"]["count"] >= 0


def test_an_address_that_is_none_is_an_error_in_json(world: World) -> None:
    answer = httpx.get(f"http://{world.gateways[0]}/v2/models/{NAME}/dance", verify=False)

    assert answer.status_code == 404
    assert answer.json()["error"]
