"""Tensors of the Open Inference Protocol as numpy arrays, and back. Pure.

A tensor is little-endian in ``raw_*_contents``, or typed in its own ``contents``. BYTES are object arrays of ``bytes``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from chassis.errors import BadRequest
from chassis.inference_bounds import check_bounds
from chassis.rpc import inference_pb2 as pb
from services.model_server.engines.engine import TensorSpec

BYTES = "BYTES"
_DTYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    **{f"{sign}INT{bits}": np.dtype(f"{sign.lower()}int{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    BYTES: np.dtype(object),
}
_DATATYPES = {dtype: name for name, dtype in _DTYPES.items()}
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


def datatype(dtype: np.dtype) -> str:
    """Return the protocol's name of *dtype*; text of any kind is BYTES."""
    return _DATATYPES.get(dtype, BYTES)


def read_inputs(request: pb.ModelInferRequest) -> dict[str, np.ndarray]:
    """Return the inputs of *request* by name, batch axis first; raises BadRequest naming the input that is wrong.

    The bounds are the gateway's, held to again: whoever calls a model server itself may have passed no gateway.
    """
    check_bounds(request)
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise BadRequest(f"{len(request.inputs)} inputs, but {len(raw)} raw_input_contents")
    if len({tensor.name for tensor in request.inputs}) != len(request.inputs):
        raise BadRequest("one input is given twice")
    return {tensor.name: _array(tensor, raw[place] if raw else None) for place, tensor in enumerate(request.inputs)}


def _array(tensor: pb.ModelInferRequest.InferInputTensor, raw: bytes | None) -> np.ndarray:
    dtype = _DTYPES.get(tensor.datatype)
    if dtype is None:
        raise BadRequest(f"input {tensor.name!r}: unknown datatype {tensor.datatype!r}")
    flat = _typed(tensor, dtype) if raw is None else _raw(tensor, dtype, raw)
    if math.prod(tensor.shape) != len(flat):
        raise BadRequest(f"input {tensor.name!r}: {len(flat)} elements for the shape {list(tensor.shape)}")
    try:
        return flat.reshape(tuple(tensor.shape))
    except ValueError as error:  # of no element, but with sizes as no array can have
        raise BadRequest(f"input {tensor.name!r}: an impossible shape") from error


def _raw(tensor: pb.ModelInferRequest.InferInputTensor, dtype: np.dtype, raw: bytes) -> np.ndarray:
    if tensor.datatype == BYTES:
        return _objects(_split(tensor.name, raw))
    if len(raw) % dtype.itemsize:
        raise BadRequest(f"input {tensor.name!r}: {len(raw)} bytes are no whole number of {tensor.datatype}")
    return np.frombuffer(raw, dtype.newbyteorder("<"))


def _typed(tensor: pb.ModelInferRequest.InferInputTensor, dtype: np.dtype) -> np.ndarray:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise BadRequest(f"input {tensor.name!r}: {tensor.datatype} is taken in raw_input_contents only")
    values = getattr(tensor.contents, field)
    if tensor.datatype == BYTES:
        return _objects(values)
    try:
        return np.asarray(values, dtype)
    except OverflowError as error:
        raise BadRequest(f"input {tensor.name!r}: a value that {tensor.datatype} cannot hold") from error


def _objects(values: Iterable[bytes]) -> np.ndarray:
    elements = list(values)
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def _split(name: str, raw: bytes) -> Iterable[bytes]:
    """Return the elements of a BYTES tensor, each after its length in four bytes."""
    elements, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at) if at + 4 <= len(raw) else (len(raw),)
        if at + 4 + length > len(raw):
            raise BadRequest(f"input {name!r}: its BYTES end before their length")
        elements.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    return elements


def fitted(tensors: Mapping[str, np.ndarray], inputs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    """Return *tensors* as a model that takes *inputs* wants them, types widened where nothing is lost.

    Raises BadRequest naming the first input that is missing, unknown, of another shape or type, or of another batch.
    """
    known = {spec.name: spec for spec in inputs}
    for name in tensors:
        if name not in known:
            raise BadRequest(f"no such input: {name!r} (the model takes {', '.join(known)})")
    missing = [name for name in known if name not in tensors]
    if missing:
        raise BadRequest(f"missing inputs: {', '.join(missing)}")
    if len({array.shape[:1] for array in tensors.values()}) > 1:
        raise BadRequest("the inputs differ in their first axis, the batch")
    return {name: _fitted(array, known[name]) for name, array in tensors.items()}


def _fitted(array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    wanted = spec.shape[1:]
    if array.ndim != len(spec.shape) or any(
        size not in (None, given) for size, given in zip(wanted, array.shape[1:], strict=True)
    ):
        shape = [-1 if size is None else size for size in spec.shape]
        raise BadRequest(f"input {spec.name!r} has the shape {list(array.shape)}; the model takes {shape}")
    if array.dtype != spec.dtype and not np.can_cast(array.dtype, spec.dtype, "safe"):
        raise BadRequest(f"input {spec.name!r} is {datatype(array.dtype)}; the model takes {datatype(spec.dtype)}")
    return array.astype(spec.dtype, copy=False)


def write_outputs(
    response: pb.ModelInferResponse, outputs: Mapping[str, np.ndarray], wanted: Sequence[str]
) -> pb.ModelInferResponse:
    """Add *outputs* (batch axis first) to *response*, raw: those *wanted*, or all; BadRequest for an unknown one."""
    for name in wanted or sorted(outputs):
        if name not in outputs:
            raise BadRequest(f"no such output: {name!r} (the model gives {', '.join(sorted(outputs))})")
        array = outputs[name]
        response.outputs.add(name=name, datatype=datatype(array.dtype), shape=array.shape)
        response.raw_output_contents.append(_bytes_of(array))
    return response


def _bytes_of(array: np.ndarray) -> bytes:
    if datatype(array.dtype) != BYTES:
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    texts = [value if isinstance(value, bytes) else str(value).encode() for value in array.ravel().tolist()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
