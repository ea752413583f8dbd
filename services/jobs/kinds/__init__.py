"""Every kind of job there is."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

import msgspec

from services.jobs.kinds import conversion, evaluation, predict
from services.jobs.kinds.kind import Kind, Parameters, Submission

KINDS: dict[str, Kind] = {kind.name: kind for kind in (predict.KIND, evaluation.KIND, conversion.KIND)}

ANY_PARAMETERS: Any = reduce(or_, (kind.parameters for kind in KINDS.values()))
"""The parameters of one kind or another; the member ``kind`` says of which."""

_DECODER = msgspec.json.Decoder(ANY_PARAMETERS)


def read_parameters(text: bytes) -> Parameters:
    """Return the parameters that a JSON text holds; raises msgspec.ValidationError naming the member that is wrong."""
    read: Parameters = _DECODER.decode(text)
    return read


def kind_of(parameters: Parameters) -> Kind:
    """Return the kind that *parameters* are for."""
    return next(kind for kind in KINDS.values() if isinstance(parameters, kind.parameters))


def check(parameters: Parameters, submission: Submission) -> Parameters:
    """Return *parameters* as they are to be kept; raises what is wrong with them, for whoever submits them."""
    return kind_of(parameters).check(parameters, submission)
