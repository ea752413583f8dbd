"""Plain tensors (``tensor``), for any model; and every image model's answer to the task ``tensor``.

Takes a serialized ``inference.ModelInferRequest`` of one item (first axis 1): the model's own inputs by name or, for an
image model, one BYTES tensor ``image`` that holds an encoded file. Gives a serialized ``inference.ModelInferResponse``
with the model's own outputs, those asked for or all, first axis 1; ``id`` is echoed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from google.protobuf.message import DecodeError

from chassis.errors import BadRequest
from chassis.rpc import inference_pb2 as pb
from services.model_server.adapters.adapter import Adapter, Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.wire_tensors import fitted, read_inputs, write_outputs
from services.model_server.engines.engine import TensorSpec
from services.registry.client import Modelinfo

TASK = "tensor"
IMAGE = "image"


class TensorConfig(msgspec.Struct, frozen=True):
    """``config`` of a model of plain tensors: there is nothing to set."""


class Asked(NamedTuple):
    """What a request wants said in its response."""

    id: str
    model_name: str
    model_version: str
    outputs: tuple[str, ...]


class Tensors:
    """A model of plain tensors."""

    tasks = frozenset({TASK})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        read_config(TensorConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._inputs = inputs

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the request's tensors without their first axis."""
        request = _parsed(payload)
        return Prepared(_item(read_inputs(request), self._inputs), Frame(0, 0, context=asked_of(request)))

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return the response."""
        return _response(outputs, frame.context)


class WithTensors:
    """An image adapter that also answers the task ``tensor``, with the model's own outputs."""

    def __init__(self, images: Adapter, inputs: Sequence[TensorSpec]) -> None:
        self._images, self._inputs = images, inputs
        self.tasks = images.tasks | {TASK}

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return an image, or for the task ``tensor`` a request's one item, as the model's input."""
        if task != TASK:
            return self._images.prepare(payload, task)
        request = _parsed(payload)
        tensors = read_inputs(request)
        files = encoded_files(tensors)
        if files is None:
            items = [_item(tensors, self._inputs)]
        else:
            items = [self._images.prepare(file, min(self._images.tasks)).tensors for file in files]
        if len(items) != 1:
            raise BadRequest(f"one item at a time: there are {len(items)} images")
        return Prepared(items[0], Frame(0, 0, context=asked_of(request)))

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return regions, or for the task ``tensor`` the model's outputs."""
        return _response(outputs, frame.context) if task == TASK else self._images.predict_json(outputs, frame, task)


def encoded_files(tensors: Mapping[str, np.ndarray]) -> list[bytes] | None:
    """Return the encoded files in the BYTES tensor ``image``, shape [N] or [N,1]; None where there is none."""
    array = tensors.get(IMAGE)
    if array is None or len(tensors) != 1 or array.dtype != object:
        return None
    if not array.ndim or array.size != len(array):
        raise BadRequest(f"input 'image' has the shape {list(array.shape)}; BYTES of files are [N] or [N,1]")
    files: list[bytes] = array.ravel().tolist()
    return files


def asked_of(request: pb.ModelInferRequest) -> Asked:
    """Return what *request* wants said in its response."""
    wanted = tuple(output.name for output in request.outputs)
    return Asked(request.id, request.model_name, request.model_version, wanted)


def _parsed(payload: bytes) -> pb.ModelInferRequest:
    try:
        return pb.ModelInferRequest.FromString(payload)
    except DecodeError as error:
        raise BadRequest("the payload is no inference.ModelInferRequest") from error


def _item(tensors: Mapping[str, np.ndarray], inputs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    """Return the one item in *tensors*, without the batch axis."""
    batch = fitted(tensors, inputs)
    if any(len(array) != 1 for array in batch.values()):
        raise BadRequest("one item at a time: the first axis of every input must be 1")
    return {name: array[0] for name, array in batch.items()}


def _response(outputs: Mapping[str, np.ndarray], asked: Asked) -> bytes:
    response = pb.ModelInferResponse(id=asked.id, model_name=asked.model_name, model_version=asked.model_version)
    batch = {name: np.asarray(value)[np.newaxis] for name, value in outputs.items()}
    return write_outputs(response, batch, asked.outputs).SerializeToString()
