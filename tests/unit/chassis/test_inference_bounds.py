"""How much one request of the Open Inference Protocol may name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chassis.errors import BadRequest
from chassis.inference_bounds import check_bounds
from chassis.rpc import inference_pb2 as pb

Tensor = pb.ModelInferRequest.InferInputTensor
Output = pb.ModelInferRequest.InferRequestedOutputTensor


def request(*shapes: list[int], datatype: str = "FP32") -> pb.ModelInferRequest:
    inputs = [Tensor(name=str(place), datatype=datatype, shape=shape) for place, shape in enumerate(shapes)]
    return pb.ModelInferRequest(id="7", inputs=inputs)


def test_what_models_take_is_within_the_bounds() -> None:
    check_bounds(request())
    check_bounds(request([], [0], [1] * 16, [2**31 - 1, 640, 640, 3]))
    check_bounds(request([32, 1], [32, 1024], datatype="BYTES"))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: request([1] * 17), "a shape of 17 sizes; 16 is the limit"),
        (lambda: request([2**31 - 1] * 40_000), "a shape of 40000 sizes; 16 is the limit"),
        (lambda: request([2, -1]), "sizes of 0 or more"),
        (lambda: request([1, 2**31]), "sizes of 0 or more"),
        (lambda: request(*[[1]] * 129), "more than 128 inputs"),
        (lambda: pb.ModelInferRequest(outputs=[Output(name="x")] * 129), "more than 128 inputs, or outputs"),
        (lambda: pb.ModelInferRequest(id="7" * 513), "more than 512 characters"),
        (lambda: pb.ModelInferRequest(inputs=[Tensor(name="x" * 513)]), "more than 512 characters"),
        (lambda: pb.ModelInferRequest(outputs=[Output(name="x" * 513)]), "more than 512 characters"),
        (lambda: request([2, 2**16], datatype="BYTES"), "more than 65536 elements of BYTES"),
        (lambda: request([2**15 + 1], [2**15], datatype="BYTES"), "more than 65536 elements of BYTES"),
    ],
)
def test_what_goes_over_a_bound_is_refused_in_few_words(make: Callable[[], pb.ModelInferRequest], told: str) -> None:
    with pytest.raises(BadRequest, match=told) as refused:
        check_bounds(make())

    assert len(refused.value.detail) < 200
