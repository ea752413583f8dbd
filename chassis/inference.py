"""Requests of the Open Inference Protocol taken apart into their items, and the items' responses joined again. Pure.

Items travel and are batched one by one, whoever sent them together. A BYTES element has its length before it; every
other element of a tensor has one size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

from chassis.errors import BadRequest, ModelFailed
from chassis.inference_bounds import check_bounds
from chassis.rpc import inference_pb2 as pb

Tensor = pb.ModelInferRequest.InferInputTensor


def items_of(request: pb.ModelInferRequest) -> int:
    """Return how many items *request* holds: the first axis of its inputs; raises BadRequest where they differ."""
    sizes = {tensor.shape[0] if tensor.shape else 0 for tensor in request.inputs}
    if len(sizes) != 1 or min(sizes) < 1:
        raise BadRequest("the first axis of every input is the batch: it must be the same, and 1 or more")
    return int(sizes.pop())


def split(request: pb.ModelInferRequest, *, most: int) -> list[pb.ModelInferRequest]:
    """Return one request for each item, its first axis 1.

    Raises BadRequest for more than *most* items or over another bound, and where a tensor does not hold its shape.
    """
    items = items_of(request)
    if items > most:
        raise BadRequest(f"a batch of {items} items: this model takes up to {most} at once")
    check_bounds(request)
    if items == 1:
        return [request]
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise BadRequest(f"{len(request.inputs)} inputs, but {len(raw)} raw_input_contents")
    apart = [_header(request) for _ in range(items)]
    for place, tensor in enumerate(request.inputs):
        rows = _raw_rows(tensor, raw[place], items) if raw else None
        for item, single in enumerate(apart):
            added = single.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=[1, *tensor.shape[1:]])
            if rows is not None:
                single.raw_input_contents.append(rows[item])
            else:
                _copy_row(tensor, added, item, items)
    return apart


def _header(request: pb.ModelInferRequest) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(
        model_name=request.model_name, model_version=request.model_version, id=request.id, outputs=request.outputs
    )


def _raw_rows(tensor: Tensor, raw: bytes, items: int) -> list[bytes]:
    if tensor.datatype == "BYTES":
        ends = _row_ends(raw, math.prod(tensor.shape[1:]), items)
    else:
        ends = list(accumulate([len(raw) // items] * items))
    if len(ends) != items or ends[-1] != len(raw):
        raise BadRequest(f"input {tensor.name!r}: {len(raw)} bytes for the shape {list(tensor.shape)}")
    return [raw[start:end] for start, end in pairwise([0, *ends])]


def _row_ends(raw: bytes, row: int, rows: int) -> list[int]:
    """Return where each row of *row* elements of a BYTES tensor ends, up to *rows* of them."""
    ends: list[int] = []
    at = count = 0
    while row and len(ends) < rows and at + 4 <= len(raw):
        at += 4 + int.from_bytes(raw[at : at + 4], "little")
        count += 1
        if count % row == 0:
            ends.append(at)
    return ends


def _copy_row(tensor: Tensor, into: Tensor, item: int, items: int) -> None:
    for field, values in tensor.contents.ListFields():
        if len(values) % items:
            raise BadRequest(f"input {tensor.name!r}: {len(values)} elements for the shape {list(tensor.shape)}")
        row = len(values) // items
        getattr(into.contents, field.name).extend(values[item * row : (item + 1) * row])


def join(responses: Sequence[pb.ModelInferResponse]) -> pb.ModelInferResponse:
    """Return the *responses* to a request's items (each of first axis 1, raw) as one; ModelFailed where they differ."""
    if len(responses) == 1:
        return responses[0]
    first = responses[0]
    joined = pb.ModelInferResponse(model_name=first.model_name, model_version=first.model_version, id=first.id)
    for place, output in enumerate(first.outputs):
        if any(_kind(response, place) != _kind(first, place) for response in responses):
            raise ModelFailed(f"the output {output.name!r} differs in shape or type between the items of the batch")
        joined.outputs.add(name=output.name, datatype=output.datatype, shape=[len(responses), *output.shape[1:]])
        joined.raw_output_contents.append(b"".join(response.raw_output_contents[place] for response in responses))
    return joined


def _kind(response: pb.ModelInferResponse, place: int) -> tuple[str, str, list[int]]:
    output = response.outputs[place]
    return output.name, output.datatype, list(output.shape)
