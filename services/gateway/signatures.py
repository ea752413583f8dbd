"""What the Open Inference Protocol says of a model: its tensors, its configuration, its statistics.

Nobody tells a gateway the tensors of a model, and it asks no model server. A model of images takes ``image``; what it
gives is learnt once, from its answer to a picture of one colour.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from chassis.rpc import inference_pb2 as pb
from chassis.rpc.registry_pb2 import UsageRow
from services.registry.client import Modelinfo

Probe = Callable[[pb.ModelInferRequest], pb.ModelInferResponse]


class TensorSignature(msgspec.Struct):
    """A tensor; -1 in its shape is any size."""

    name: str
    datatype: str
    shape: list[int]


class Signature(NamedTuple):
    """A model's tensors, the batch's axis first."""

    inputs: list[TensorSignature]
    outputs: list[TensorSignature]


class Metadata(msgspec.Struct):
    """A model's tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorSignature]
    outputs: list[TensorSignature]


class TensorConfig(msgspec.Struct):
    """A tensor without the batch's axis."""

    name: str
    data_type: str
    dims: list[int]


class Config(msgspec.Struct):
    """A model as Triton's clients know it."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[TensorConfig]
    output: list[TensorConfig]


class Indexed(msgspec.Struct):
    """A model in the index."""

    name: str
    version: str
    state: str
    reason: str


class Statistics(msgspec.Struct):
    """What models have answered."""

    model_stats: list[dict[str, Any]]


_KNOWN: dict[str, Signature] = {}
_IMAGE = TensorSignature("image", "BYTES", [-1, 1])


def signature_of(model: Modelinfo, probe: Probe) -> Signature:
    """Return a model's tensors; *probe* runs one request on it, the first time. A model of plain tensors tells none."""
    if model.task == "tensor":
        return Signature([], [])
    if model.key not in _KNOWN:
        _KNOWN[model.key] = Signature([_IMAGE], [_any_batch(output) for output in probe(_picture()).outputs])
    return _KNOWN[model.key]


def _any_batch(output: pb.ModelInferResponse.InferOutputTensor) -> TensorSignature:
    return TensorSignature(output.name, output.datatype, [-1, *output.shape[1:]])


def _picture() -> pb.ModelInferRequest:
    """Return a request with a grey PNG of 64 x 64 pixels."""
    rows = zlib.compress((b"\0" + bytes([128]) * 64) * 64)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    request = pb.ModelInferRequest(raw_input_contents=[struct.pack("<I", len(file)) + file])
    request.inputs.add(name=_IMAGE.name, datatype=_IMAGE.datatype, shape=[1, 1])
    return request


def metadata(name: str, model: Modelinfo, signature: Signature) -> Metadata:
    """Return the answer to a question for a model's metadata."""
    return Metadata(name, [model.rel_num], model.framework_type, signature.inputs, signature.outputs)


def config(name: str, model: Modelinfo, signature: Signature, *, most: int) -> Config:
    """Return a model's configuration; *most* items go in one request."""
    kind, batch = model.framework_type, model.max_batch_size or most
    inputs, outputs = ([_configured(tensor) for tensor in tensors] for tensors in signature)
    return Config(name, kind, kind, batch, inputs, outputs)


def _configured(tensor: TensorSignature) -> TensorConfig:
    kind = "TYPE_STRING" if tensor.datatype == "BYTES" else f"TYPE_{tensor.datatype}"
    return TensorConfig(tensor.name, kind, tensor.shape[1:])


def indexed(model: Modelinfo, *, served: bool) -> Indexed:
    """Return a model's line in the index."""
    name = f"{model.org_name}-{model.problem_id}"
    return Indexed(name, model.rel_num, "READY" if served else "UNAVAILABLE", "" if served else "no model server")


def statistics(model: Modelinfo, row: UsageRow | None) -> dict[str, Any]:
    """Return a model's statistics in Triton's shape; times are those at its servers, queueing apart is not kept."""
    statuses = dict(row.statuses) if row else {}
    good, bad = statuses.get(200, 0), sum(count for status, count in statuses.items() if status != 200)
    spent_ns = int(row.service_s * 1e9) if row else 0
    success, nothing = {"count": good, "ns": spent_ns}, {"count": 0, "ns": 0}
    compute = {"compute_input": nothing, "compute_infer": success, "compute_output": nothing}
    return {
        "name": f"{model.org_name}-{model.problem_id}",
        "version": model.rel_num,
        "last_inference": 0,
        "inference_count": good,
        "execution_count": good,
        "inference_stats": {"success": success, "fail": {"count": bad, "ns": 0}, "queue": nothing, **compute},
        "batch_stats": [],
    }
