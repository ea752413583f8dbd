"""What turns a payload into tensors and tensors into an answer: the seam between images and engines.

There is one adapter for each kind of network (``dnnarch``), made once for a model and used by many threads at a time:
it holds no state that changes. It knows no engine, and an engine knows no image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np


class Frame(NamedTuple):
    """What is known of one item apart from its tensors, to map outputs back with.

    *width* and *height* are those of the image as sent, in pixels, after its EXIF orientation was applied (which
    *orientation_applied* says); 0 for what is no image. *context* is the adapter's own business.
    """

    width: int
    height: int
    orientation_applied: bool = False
    context: Any = None


class Prepared(NamedTuple):
    """One item ready for its model: tensors by input name, without the batch axis.

    Items join in a batch when names, shapes and dtypes are equal.
    """

    tensors: dict[str, np.ndarray]
    frame: Frame


class Adapter(Protocol):
    """One kind of network. Thread-safe."""

    tasks: frozenset[str]

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return *payload*, sent for *task*, as tensors for the model.

        Raises UnsupportedMedia for what is no image of a known type, Undecodable for one that is broken or too large,
        BadRequest for a tensor that does not fit.
        """
        ...

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return one item's answer to *task* from its *outputs* (without the batch axis).

        JSON ``{"width", "height", "orientation_applied", "regions"}`` in pixels of the image as sent, with ``classes``
        and ``embedding`` beside where the model gives them; for the task ``tensor`` a serialized
        ``inference.ModelInferResponse``. Raises ModelFailed for outputs that are not what the model is said to give.
        """
        ...
