"""Takes a model's outputs by name, and refuses what is not what the model is said to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chassis.errors import ModelFailed


def output(outputs: Mapping[str, np.ndarray], name: str, *, ndim: int) -> np.ndarray:
    """Return the output *name*; ModelFailed where it is missing, of other than *ndim* dimensions, or holds NaN."""
    if name not in outputs:
        raise ModelFailed(f"the model gives no output {name!r}: it has {', '.join(sorted(outputs))}")
    value = outputs[name]
    if value.ndim != ndim:
        raise ModelFailed(f"the model's output {name!r} has {value.ndim} dimensions, not {ndim}")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise ModelFailed(f"the model's output {name!r} holds values that are no numbers")
    return value


def label(classes: Sequence[str], class_id: int) -> str:
    """Return the label of *class_id*; ``class 7`` where the modelinfo has none."""
    name = classes[class_id] if 0 <= class_id < len(classes) else ""
    return name or f"class {class_id}"


def plane(outputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return the output *name* as one plane [h,w]: a last axis of one channel is dropped."""
    value = outputs.get(name)
    if value is not None and value.ndim == 3 and value.shape[2] == 1:
        outputs = {name: value[:, :, 0]}
    return output(outputs, name, ndim=2)
