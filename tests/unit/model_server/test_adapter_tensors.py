"""Tensors of the Open Inference Protocol: to arrays and back, and what is wrong with a request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import np_to_triton_dtype, serialize_byte_tensor

from chassis.errors import BadRequest, Undecodable, UnsupportedMedia
from chassis.inference import join, split
from chassis.rpc import inference_pb2 as pb
from services.model_server.adapters.wire_tensors import datatype, fitted, read_inputs, write_outputs
from services.model_server.engines.engine import TensorSpec
from tests.adapter_models import FLOAT_IMAGE, adapter, picture
from tests.steps import steps

DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
PAIR = (TensorSpec("a", np.dtype(np.float32), (None, 2)), TensorSpec("b", np.dtype(np.int64), (None, None)))


def request(**tensors: np.ndarray) -> pb.ModelInferRequest:
    """Return a request with raw contents, as NVIDIA's client writes them."""
    asked = pb.ModelInferRequest(model_name="acme-test", id="7")
    for name, array in tensors.items():
        asked.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
        raw = serialize_byte_tensor(array).item() if array.dtype == object else array.tobytes()
        asked.raw_input_contents.append(raw)
    return asked


def read_outputs(response: pb.ModelInferResponse) -> dict[str, np.ndarray]:
    """Return a response's outputs by reading it as if it were a request."""
    asked = pb.ModelInferRequest(raw_input_contents=response.raw_output_contents)
    for output in response.outputs:
        asked.inputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
    return read_inputs(asked)


def files(*payloads: bytes) -> np.ndarray:
    array = np.empty((len(payloads), 1), object)
    array[:, 0] = payloads
    return array


any_array = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=4, max_side=5))
)
any_texts = st.lists(st.binary(max_size=20), min_size=1, max_size=6).map(
    lambda texts: np.array([*texts, b""], object)[:-1]
)


@given(any_array | any_texts)
def test_any_tensor_survives_the_wire(array: np.ndarray) -> None:
    read = read_inputs(request(x=array))["x"]

    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(read_outputs(write_outputs(pb.ModelInferResponse(), {"x": read}, ()))["x"], array)
    assert datatype(array.dtype) == np_to_triton_dtype(array.dtype)


@given(any_array)
def test_a_batch_taken_apart_and_joined_is_the_batch(array: np.ndarray) -> None:
    texts = np.array([str(at).encode() * at for at in range(len(array))] + [b""], object)[:-1]
    batch = request(x=array, y=texts)

    singles = split(batch, most=len(array))
    answers = [write_outputs(pb.ModelInferResponse(id="7"), read_inputs(single), ()) for single in singles]

    assert [list(single.inputs[0].shape) for single in singles] == [[1, *array.shape[1:]]] * len(array)
    joined = join(answers)
    assert joined.id == "7"
    np.testing.assert_array_equal(read_outputs(joined)["x"], array)
    np.testing.assert_array_equal(read_outputs(joined)["y"], texts)


def test_typed_contents_are_read_and_taken_apart_as_raw_ones_are() -> None:
    asked = pb.ModelInferRequest()
    asked.inputs.add(name="a", datatype="FP32", shape=[2, 2]).contents.fp32_contents.extend([1, 2, 3, 4])
    asked.inputs.add(name="b", datatype="INT8", shape=[2, 1]).contents.int_contents.extend([-5, 6])
    asked.inputs.add(name="c", datatype="BYTES", shape=[2]).contents.bytes_contents.extend([b"x", b""])

    whole, (_, second) = read_inputs(asked), (read_inputs(single) for single in split(asked, most=2))

    assert whole["a"].tolist() == [[1, 2], [3, 4]]
    assert (whole["b"].dtype, whole["b"].tolist()) == (np.dtype(np.int8), [[-5], [6]])
    assert {name: array.tolist() for name, array in second.items()} == {"a": [[3, 4]], "b": [[6]], "c": [b""]}


def broken(name: str) -> pb.ModelInferRequest:
    asked = request(a=np.zeros((2, 2), np.float32))
    if name == "bytes missing":
        asked.raw_input_contents[0] = asked.raw_input_contents[0][:-1]
    elif name == "whole elements missing":
        asked.raw_input_contents[0] = asked.raw_input_contents[0][:-4]
    elif name == "unknown type":
        asked.inputs[0].datatype = "FP8"
    elif name == "negative size":
        asked.inputs[0].shape[:] = [-2, -2]
    elif name == "huge size":
        asked.inputs[0].shape[:] = [2**62, 2**62]
    elif name == "nothing of a huge size":
        asked.inputs[0].shape[:] = [2**62, 0]
        asked.raw_input_contents[0] = b""
    elif name == "too many axes":
        asked.inputs[0].shape[:] = [1] * 99 + [4]
    elif name == "more raw than inputs":
        asked.raw_input_contents.append(b"")
    elif name == "twice":
        asked.inputs.append(asked.inputs[0])
        asked.raw_input_contents.append(asked.raw_input_contents[0])
    elif name == "a value out of range":
        del asked.raw_input_contents[:]
        asked.inputs[0].datatype = "INT8"
        asked.inputs[0].contents.int_contents.extend([1, 2, 3, 400])
    elif name == "half floats typed":
        del asked.raw_input_contents[:]
        asked.inputs[0].datatype = "FP16"
    elif name == "text that ends early":
        asked.inputs[0].datatype = "BYTES"
        asked.raw_input_contents[0] = b"\x09\x00\x00\x00abc"
    return asked


@pytest.mark.parametrize(
    "name",
    [
        "bytes missing",
        "whole elements missing",
        "unknown type",
        "negative size",
        "huge size",
        "nothing of a huge size",
        "too many axes",
        "more raw than inputs",
        "twice",
        "a value out of range",
        "half floats typed",
        "text that ends early",
    ],
)
def test_a_request_that_does_not_hold_what_it_says_is_bad(name: str) -> None:
    with pytest.raises(BadRequest):
        read_inputs(broken(name))


@pytest.mark.parametrize("datatype", ["FP32", "BYTES", "FP8"])
def test_an_item_whose_shape_multiplies_without_end_is_refused_unmultiplied_in_few_words(datatype: str) -> None:
    asked = pb.ModelInferRequest(raw_input_contents=[b""])
    asked.inputs.add(name="x", datatype=datatype, shape=[2**63 - 1] * 40_000)

    with pytest.raises(BadRequest, match="input 'x': a shape of 40000 sizes; 16 is the limit") as refused:
        adapter("tensor", inputs=PAIR).prepare(asked.SerializeToString(), "tensor")

    assert len(refused.value.detail) < 200


def test_a_batch_that_cannot_be_taken_apart_is_bad() -> None:
    for asked in (
        pb.ModelInferRequest(),
        request(a=np.zeros((0, 2))),
        request(a=np.zeros((2, 2)), b=np.zeros((3, 2))),
        request(a=np.float32(1.0).reshape(())),
        broken("text that ends early"),
        broken("bytes missing"),
        broken("more raw than inputs"),
        broken("negative size"),
    ):
        with pytest.raises(BadRequest):
            split(asked, most=4)


def test_a_batch_that_claims_billions_of_items_costs_nothing() -> None:
    asked = request(a=np.zeros((2, 2), np.float32))
    asked.inputs[0].shape[0] = 2**40

    with pytest.raises(BadRequest, match="takes up to 8"):
        split(asked, most=8)


def test_a_batch_whose_shape_multiplies_without_end_is_refused_unmultiplied() -> None:
    asked = pb.ModelInferRequest(raw_input_contents=[bytes(8)])
    asked.inputs.add(name="x", datatype="BYTES", shape=[2, *[2**31 - 1] * 40_000])

    with pytest.raises(BadRequest, match="16 is the limit"):
        split(asked, most=8)


def test_of_a_batch_of_texts_no_more_are_looked_at_than_its_shape_holds() -> None:
    asked = pb.ModelInferRequest(raw_input_contents=[bytes(4 * 100_000)])
    asked.inputs.add(name="x", datatype="BYTES", shape=[2, 3])

    def refused() -> None:
        with pytest.raises(BadRequest):
            split(asked, most=8)

    assert steps(refused) < 1000


def test_inputs_are_held_to_what_the_model_takes() -> None:
    good = {"a": np.zeros((3, 2), np.float32), "b": np.zeros((3, 5), np.int32)}

    assert fitted(good, PAIR)["b"].dtype == np.int64
    for wrong, told in (
        ({"a": good["a"]}, "missing inputs: b"),
        ({**good, "c": good["a"]}, "no such input: 'c'"),
        ({**good, "a": np.zeros((3, 4), np.float32)}, r"\[3, 4\]"),
        ({**good, "a": np.zeros(3, np.float32)}, r"\[-1, 2\]"),
        ({**good, "a": np.zeros((3, 2), np.float64)}, "FP64; the model takes FP32"),
        ({**good, "b": np.zeros((2, 5), np.int64)}, "first axis"),
    ):
        with pytest.raises(BadRequest, match=told):
            fitted(wrong, PAIR)


def test_a_model_of_tensors_takes_one_item_and_answers_with_what_was_asked_for() -> None:
    kind = adapter("tensor", inputs=PAIR)
    asked = request(a=np.ones((1, 2), np.float32), b=np.ones((1, 3), np.int64))
    asked.outputs.add(name="sum")

    prepared = kind.prepare(asked.SerializeToString(), "tensor")
    outputs = {"sum": np.asarray([1.5, 2.5], np.float32), "rest": np.asarray(1)}
    answer = pb.ModelInferResponse.FromString(kind.predict_json(outputs, prepared.frame, "tensor"))

    assert {name: array.shape for name, array in prepared.tensors.items()} == {"a": (2,), "b": (3,)}
    assert (answer.id, answer.model_name) == ("7", "acme-test")
    assert {name: array.tolist() for name, array in read_outputs(answer).items()} == {"sum": [[1.5, 2.5]]}


def test_more_than_one_item_nonsense_and_unknown_outputs_are_bad() -> None:
    kind = adapter("tensor", inputs=PAIR)
    two = request(a=np.ones((2, 2), np.float32), b=np.ones((2, 3), np.int64))
    for payload in (two.SerializeToString(), b"\xff\xff nonsense", b""):
        with pytest.raises(BadRequest):
            kind.prepare(payload, "tensor")
    one = request(a=np.ones((1, 2), np.float32), b=np.ones((1, 3), np.int64))
    one.outputs.add(name="other")
    prepared = kind.prepare(one.SerializeToString(), "tensor")
    with pytest.raises(BadRequest, match="'other'"):
        kind.predict_json({"sum": np.ones(1)}, prepared.frame, "tensor")


def test_an_image_model_takes_an_encoded_file_or_its_own_tensor_for_the_task_tensor() -> None:
    kind = adapter("ssd_mobilenet_v2", inputs=FLOAT_IMAGE, input_width=64, input_height=48)
    expected = kind.prepare(picture(64, 48), "bbox").tensors["image"]

    encoded = kind.prepare(request(image=files(picture(64, 48))).SerializeToString(), "tensor")
    pixels = kind.prepare(request(image=expected[None].astype(np.uint8)).SerializeToString(), "tensor")

    np.testing.assert_array_equal(encoded.tensors["image"], expected)
    np.testing.assert_array_equal(pixels.tensors["image"], expected.astype(np.uint8))
    assert kind.tasks == {"bbox", "tensor"}


def test_a_bad_file_is_told_as_it_is_for_the_other_tasks() -> None:
    kind = adapter("ssd_mobilenet_v2")

    for payload, error in ((b"no image", UnsupportedMedia), (picture()[:90], Undecodable)):
        with pytest.raises(error):
            kind.prepare(request(image=files(payload)).SerializeToString(), "tensor")
    for array in (files(picture(), picture()), files(picture(), picture()).reshape(1, 2)):
        with pytest.raises(BadRequest):
            kind.prepare(request(image=array).SerializeToString(), "tensor")
