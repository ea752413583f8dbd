"""What the tensors of a LiteRT model are called: as its signature says or, without one, by what a converter left.

A tensor's own name is from the graph that was converted: ``StatefulPartitionedCall:0`` and ``:1`` are two outputs of
one model, and ``serving_default_image:0`` is what its author called ``image``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

SIGNATURE = "serving_default"
Detail = Mapping[str, Any]
"""What an interpreter tells of a tensor."""


class Names(NamedTuple):
    """The index of each input and of each output, by the name that it is served under."""

    inputs: dict[str, int]
    outputs: dict[str, int]


def names_of(interpreter: Any) -> Names:
    """Return the names in the signature ``serving_default``, or in the only one; else the tensors' own."""
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if signature := _signature(interpreter):
        given, gives = signature.get_input_details(), signature.get_output_details()
        if _tensors(given.values()) == _tensors(inputs) and _tensors(gives.values()) == _tensors(outputs):
            return Names(_indices(given), _indices(gives))
    return Names(_own_names(inputs), _own_names(outputs))


def by_name(names: Mapping[str, int], details: Iterable[Detail]) -> dict[str, Detail]:
    """Return *details* by the *names* that they are served under."""
    by_index = {detail["index"]: detail for detail in details}
    return {name: by_index[index] for name, index in names.items()}


def _signature(interpreter: Any) -> Any | None:
    keys = list(interpreter.get_signature_list())
    if SIGNATURE in keys:
        return interpreter.get_signature_runner(SIGNATURE)
    return interpreter.get_signature_runner(keys[0]) if len(keys) == 1 else None


def _tensors(details: Iterable[Detail]) -> set[tuple[int, str]]:
    """Return what tells tensors apart: a signature may be of another graph than the one that is run."""
    return {(detail["index"], detail["name"]) for detail in details}


def _indices(details: Mapping[str, Detail]) -> dict[str, int]:
    return {name: detail["index"] for name, detail in details.items()}


def _own_names(details: Sequence[Detail]) -> dict[str, int]:
    """Return the tensors' names without what converters wrap around them; those that are then alike keep it."""
    short = [detail["name"].removeprefix("serving_default_").partition(":")[0] for detail in details]
    return {
        name if short.count(name) == 1 else detail["name"]: detail["index"]
        for name, detail in zip(short, details, strict=True)
    }
