"""Tensors over REST: in JSON, and behind it."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import BadRequest
from chassis.rpc import inference_pb2 as pb
from services.gateway.rest_tensors import read_request, unpacked, write_response
from tests.steps import steps

TYPES = {
    "BOOL": np.bool_, "INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "UINT16": np.uint16, "INT32": np.int32,
    "UINT32": np.uint32, "INT64": np.int64, "UINT64": np.uint64, "FP16": np.float16, "FP32": np.float32,
    "FP64": np.float64,
}  # fmt: skip


def tensor(**fields: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [2, 2], "datatype": "INT32", **fields}


def asked(*inputs: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **fields}).encode()


@pytest.mark.parametrize("datatype", TYPES)
def test_data_in_json_is_packed_as_it_would_stand_behind_it(datatype: str) -> None:
    values = np.array([[1, 0], [1, 1]], dtype=TYPES[datatype])

    flat = read_request(asked(tensor(datatype=datatype, data=values.ravel().tolist())), None)
    nested = read_request(asked(tensor(datatype=datatype, data=values.tolist())), None)

    assert list(flat.request.raw_input_contents) == list(nested.request.raw_input_contents) == [values.tobytes()]
    assert unpacked(datatype, values.tobytes()) == values.ravel().tolist()


def test_text_gets_its_length_before_it() -> None:
    request = read_request(asked(tensor(datatype="BYTES", shape=[2], data=["é", ""])), None).request

    assert list(request.raw_input_contents) == [b"\2\0\0\0\xc3\xa9\0\0\0\0"]
    assert unpacked("BYTES", request.raw_input_contents[0]) == ["é", ""]


def test_tensors_behind_the_json_are_cut_in_the_order_of_the_inputs() -> None:
    header = asked(
        tensor(name="a", parameters={"binary_data_size": 16}),
        tensor(name="b", shape=[1], data=[5]),
        tensor(name="c", shape=[3], datatype="UINT8", parameters={"binary_data_size": 3}),
        id="mine",
    )

    request = read_request(header + b"A" * 16 + b"ccc", len(header)).request

    assert list(request.raw_input_contents) == [b"A" * 16, struct.pack("<i", 5), b"ccc"]
    assert [one.name for one in request.inputs] == ["a", "b", "c"]
    assert request.id == "mine"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"id": "\xff", "inputs": []}',
        asked(tensor()),
        asked(tensor(data=[1, 2, 3])),
        asked(tensor(data=["a", 1, 2, 3])),
        asked(tensor(data=[1, 2, 3, 2**40])),
        asked(tensor(data=[1, 2, 3, None])),
        asked(tensor(data=[1, 2, [3, 4]])),
        asked(tensor(data=[[1, 2], 3, 4])),
        asked(tensor(data=[[[1, 2]], [3, 4]])),
        asked(tensor(datatype="BYTES", data=[["a", "b"], "cd"])),
        asked(tensor(datatype="BYTES", data=[1, 2, 3, 4])),
        asked(tensor(datatype="COMPLEX", data=[1, 2, 3, 4])),
        asked(tensor(shape=[-1, 4], data=[1, 2, 3, 4])),
        asked(tensor(shape=[2**40], data=[1])),
        asked(tensor(parameters={"binary_data_size": 16})),
        asked(tensor(parameters={"binary_data_size": -1})),
        asked(tensor(parameters={"binary_data_size": "16"})),
        asked({"name": "x"}),
    ],
)
def test_what_is_no_request_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_request(body, None)


def test_a_shape_of_many_sizes_is_refused_in_few_words() -> None:
    with pytest.raises(BadRequest, match="a shape of 40000 sizes; 16 is the limit") as refused:
        read_request(asked(tensor(shape=[2**31 - 1] * 40_000, data=[1])), None)

    assert len(refused.value.detail) < 100


def test_data_nested_deep_takes_no_more_steps_than_there_are_lists() -> None:
    body = asked(tensor(shape=[2000], datatype="INT8", data=[]))
    body = body.replace(b"[]", b"[" * 500 + b",".join([b"1"] * 2000) + b"]" * 500, 1)

    assert read_request(body, None).request.raw_input_contents[0] == b"\1" * 2000
    assert steps(lambda: read_request(body, None)) < 5000


def test_bytes_that_belong_to_nobody_are_a_bad_request() -> None:
    header = asked(tensor(data=[1, 2, 3, 4]))

    with pytest.raises(BadRequest):
        read_request(header + b"rest", len(header))
    with pytest.raises(BadRequest):
        read_request(header, len(header) + 1)
    sized = asked(tensor(parameters={"binary_data_size": 8}))
    with pytest.raises(BadRequest):
        read_request(sized + b"8 bytes!", len(sized))


def test_outputs_stand_behind_the_json_where_that_was_asked_for() -> None:
    response = pb.ModelInferResponse(model_name="m", model_version="1", id="mine")
    for name in ("a", "b"):
        response.outputs.add(name=name, datatype="INT32", shape=[2])
        response.raw_output_contents.append(struct.pack("<2i", 3, 4))
    outputs = [{"name": "a", "parameters": {"binary_data": False}}, {"name": "b"}]
    wanted = read_request(
        asked(tensor(data=[1, 2, 3, 4]), outputs=outputs, parameters={"binary_data_output": True}), None
    )

    body, header_bytes = write_response(response, wanted)

    header = json.loads(body[:header_bytes])
    assert header["outputs"][0] == {"name": "a", "datatype": "INT32", "shape": [2], "data": [3, 4]}
    assert header["outputs"][1]["parameters"] == {"binary_data_size": 8}
    assert body[header_bytes:] == struct.pack("<2i", 3, 4)
    assert (header["id"], header["model_name"], header["model_version"]) == ("mine", "m", "1")


@given(st.binary(max_size=300), st.integers(-10, 400) | st.none())
def test_hostile_bodies_are_bad_requests(body: bytes, header_bytes: int | None) -> None:
    with pytest.raises(BadRequest):
        read_request(body, header_bytes)
