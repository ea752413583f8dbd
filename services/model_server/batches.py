"""Items to batches and back: which join in one engine call, and which outputs are answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chassis.errors import ModelFailed, ServoirError
from services.model_server.adapters.adapter import Prepared

Tensors = dict[str, np.ndarray]


class Group(NamedTuple):
    """Items (by their place in the request) that go through the model together."""

    places: list[int]
    tensors: Tensors


def join(prepared: Mapping[int, Prepared], most: int) -> list[Group]:
    """Return the items stacked, *most* at a time, apart where names, shapes or dtypes differ; order is kept."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, item in prepared.items():
        kind = tuple((name, array.shape, array.dtype) for name, array in item.tensors.items())
        alike.setdefault(kind, []).append(place)
    parts = [places[start : start + most] for places in alike.values() for start in range(0, len(places), most)]
    return [Group(places, _stacked([prepared[place].tensors for place in places])) for places in parts]


def _stacked(items: Sequence[Tensors]) -> Tensors:
    """Return the items' tensors with the batch axis first; one alone is not copied."""
    if len(items) == 1:
        return {name: array[np.newaxis] for name, array in items[0].items()}
    return {name: np.stack([item[name] for item in items]) for name in items[0]}


def part(outputs: Mapping[str, np.ndarray], items: int) -> list[Tensors | ServoirError]:
    """Return each item's outputs, its ModelFailed where they hold NaN; raises ModelFailed for a wrong batch length."""
    for name, array in outputs.items():
        if array.ndim == 0 or len(array) != items:
            raise ModelFailed(f"the model answered a batch of {items} with {name} of shape {list(array.shape)}")
    bad = _not_numbers(outputs, items)
    return [
        ModelFailed(f"the model gave NaN in {bad[item]}")
        if item in bad
        else {name: array[item] for name, array in outputs.items()}
        for item in range(items)
    ]


def _not_numbers(outputs: Mapping[str, np.ndarray], items: int) -> dict[int, str]:
    """Return the items with NaN, each with the output that holds it. A minimum is NaN where any value is."""
    bad: dict[int, str] = {}
    for name, array in outputs.items():
        if array.dtype.kind == "f" and array.size:
            with np.errstate(invalid="ignore"):
                lowest = array.reshape(items, -1).min(axis=1)
            bad |= dict.fromkeys(np.flatnonzero(np.isnan(lowest)).tolist(), name)
    return bad
