"""Requests and responses of the Open Inference Protocol over REST, to and from its protobuf messages.

With the binary tensor extension, tensors stand behind the JSON header, little-endian, in the order of the inputs; they
go on as they are. Tensors in JSON are packed the same way, so that one form travels on.
"""

from __future__ import annotations

import math
import struct
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from chassis.errors import BadRequest
from chassis.inference_bounds import check_bounds
from chassis.json_text import UNREADABLE
from chassis.rpc import inference_pb2 as pb

_ENCODER = msgspec.json.Encoder()
_FORMATS = {
    "BOOL": "?", "INT8": "b", "UINT8": "B", "INT16": "h", "UINT16": "H", "INT32": "i", "UINT32": "I", "INT64": "q",
    "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip


class InputTensor(msgspec.Struct):
    """One input: in *data* (flat or nested, row by row), or of ``binary_data_size`` bytes behind the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class AskedOutput(msgspec.Struct):
    """One output that is wanted; ``binary_data`` in its parameters has it behind the JSON."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct):
    """A request; ``binary_data_output`` in its parameters has all outputs behind the JSON."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[AskedOutput] = []


class OutputTensor(msgspec.Struct, omit_defaults=True):
    """One output."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    """A response."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str = ""


_DECODER = msgspec.json.Decoder(InferRequest)


class Asked(NamedTuple):
    """A request as it travels on, and which outputs are to stand behind the JSON of its response."""

    request: pb.ModelInferRequest
    in_binary: dict[str, bool]
    all_in_binary: bool


def read_request(body: bytes | bytearray, header_bytes: int | None) -> Asked:
    """Return what *body* asks; *header_bytes* is the length of its JSON where tensors follow. Raises BadRequest."""
    split_at = len(body) if header_bytes is None else header_bytes
    if not 0 <= split_at <= len(body):
        raise BadRequest("Inference-Header-Content-Length is more than the body holds")
    try:
        asked = _DECODER.decode(memoryview(body)[:split_at])
    except UNREADABLE as error:
        raise BadRequest(f"not an inference request: {str(error)[:200]}") from error
    check_bounds(asked)
    request = pb.ModelInferRequest(id=asked.id)
    behind = memoryview(body)[split_at:]
    for tensor in asked.inputs:
        if tensor.datatype != "BYTES" and tensor.datatype not in _FORMATS:
            raise BadRequest(f"input {tensor.name!r}: no such datatype: {tensor.datatype[:20]!r}")
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        raw, behind = _raw(tensor, behind)
        request.raw_input_contents.append(raw)
    if len(behind):
        raise BadRequest(f"{len(behind)} bytes behind the JSON belong to no input")
    request.outputs.extend(pb.ModelInferRequest.InferRequestedOutputTensor(name=out.name) for out in asked.outputs)
    in_binary = {
        out.name: bool(out.parameters["binary_data"]) for out in asked.outputs if "binary_data" in out.parameters
    }
    return Asked(request, in_binary, bool(asked.parameters.get("binary_data_output", False)))


def _raw(tensor: InputTensor, behind: memoryview) -> tuple[bytes, memoryview]:
    """Return a tensor's bytes, and what is left behind the JSON for the next ones."""
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return _packed(tensor), behind
    if not isinstance(size, int) or not 0 <= size <= len(behind):
        raise BadRequest(f"input {tensor.name!r}: binary_data_size is not what stands behind the JSON")
    format_ = _FORMATS.get(tensor.datatype)
    if format_ and size != struct.calcsize(f"<{format_}") * math.prod(tensor.shape):
        raise BadRequest(f"input {tensor.name!r}: {size} bytes for the shape {tensor.shape}")
    return bytes(behind[:size]), behind[size:]


def _packed(tensor: InputTensor) -> bytes:
    values = _flat(tensor.data or [])
    if len(values) != math.prod(tensor.shape):
        raise BadRequest(f"input {tensor.name!r}: {len(values)} elements for the shape {tensor.shape}")
    try:
        if tensor.datatype == "BYTES":
            return b"".join(struct.pack("<I", len(text)) + text for text in (value.encode() for value in values))
        return struct.pack(f"<{len(values)}{_FORMATS[tensor.datatype]}", *values)
    except (struct.error, AttributeError, OverflowError, UnicodeEncodeError) as error:
        raise BadRequest(f"input {tensor.name!r}: its data is not {tensor.datatype}") from error


def _flat(values: list[Any]) -> list[Any]:
    """Return the elements of *values*, flat or nested; a list beside an element stays one, which no datatype has.

    It goes level by level, so that to be nested deep costs no more than the lists that it takes.
    """
    while values and all(isinstance(value, list) for value in values):
        values = list(chain.from_iterable(values))
    return values


def write_response(response: pb.ModelInferResponse, asked: Asked) -> tuple[bytes, int | None]:
    """Return the body, and the length of its JSON where tensors stand behind it."""
    outputs, behind = [], []
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        tensor = OutputTensor(output.name, output.datatype, list(output.shape))
        if asked.in_binary.get(output.name, asked.all_in_binary):
            tensor.parameters = {"binary_data_size": len(raw)}
            behind.append(raw)
        else:
            tensor.data = unpacked(output.datatype, raw)
        outputs.append(tensor)
    header = _ENCODER.encode(InferResponse(response.model_name, response.model_version, outputs, response.id))
    return b"".join([header, *behind]), len(header) if behind else None


def unpacked(datatype: str, raw: bytes) -> list[Any]:
    """Return a tensor's elements, flat; those of BYTES as text."""
    format_ = _FORMATS.get(datatype)
    if format_:
        return list(struct.unpack(f"<{len(raw) // struct.calcsize('<' + format_)}{format_}", raw))
    texts, at = [], 0
    while at + 4 <= len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        texts.append(raw[at + 4 : end].decode("utf-8", "replace"))
        at = end
    return texts
