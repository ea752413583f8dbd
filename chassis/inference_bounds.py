"""How much one request of the Open Inference Protocol may name: more than any model takes, yet soon gone through.

Who reads a request multiplies its sizes, copies what it names to each of its items, cuts its texts one by one, and
repeats to its sender what is wrong. Without these bounds, one of some kilobytes keeps a process for minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from chassis.errors import BadRequest

_MOST_TENSORS = 128
_MOST_AXES = 16
_SIZES = range(2**31)
_MOST_CHARACTERS = 512
_MOST_TEXTS = 2**16


class Named(Protocol):
    """An input or an output."""

    @property
    def name(self) -> str:
        """What the model calls it."""


class Input(Named, Protocol):
    """An input, without what is in it."""

    @property
    def datatype(self) -> str:
        """The protocol's name of its elements' type."""

    @property
    def shape(self) -> Sequence[int]:
        """Its sizes, the batch's first."""


class Request(Protocol):
    """What a request's message and its JSON have in common."""

    @property
    def id(self) -> str:
        """Its sender's name for it."""

    @property
    def inputs(self) -> Sequence[Input]:
        """Its inputs."""

    @property
    def outputs(self) -> Sequence[Named]:
        """The outputs that it asks for."""


def check_bounds(request: Request) -> None:
    """Raise BadRequest where *request* goes over a bound; its message repeats no more than the bounds allow."""
    if max(len(request.inputs), len(request.outputs)) > _MOST_TENSORS:
        raise BadRequest(f"more than {_MOST_TENSORS} inputs, or outputs, in one request")
    names = (tensor.name for tensor in (*request.inputs, *request.outputs))
    if max(map(len, (request.id, *names))) > _MOST_CHARACTERS:
        raise BadRequest(f"an id, or a name, of more than {_MOST_CHARACTERS} characters")
    for tensor in request.inputs:
        _check_shape(tensor)
    texts = sum(math.prod(tensor.shape) for tensor in request.inputs if tensor.datatype == "BYTES")
    if texts > _MOST_TEXTS:
        raise BadRequest(f"more than {_MOST_TEXTS} elements of BYTES in one request")


def _check_shape(tensor: Input) -> None:
    if len(tensor.shape) > _MOST_AXES:
        raise BadRequest(f"input {tensor.name!r}: a shape of {len(tensor.shape)} sizes; {_MOST_AXES} is the limit")
    if any(size not in _SIZES for size in tensor.shape):
        raise BadRequest(f"input {tensor.name!r}: a shape is made of sizes of 0 or more, below 2**31")
