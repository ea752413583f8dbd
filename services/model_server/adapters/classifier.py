"""Classifiers with a feature vector (``efficientnet_lite0``).

Takes an image. The model gives, for each image, a probability for each class [K] (or logits, with ``softmax``) and,
where ``embedding`` names one, a feature vector [D]. Gives no regions but, beside them, ``classes``: the ``top`` best
with their scores, and ``embedding``: the vector, for similarity search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from services.model_server.adapters.adapter import Frame, Prepared
from services.model_server.adapters.config import read_config
from services.model_server.adapters.image_input import ImageInput, ImageReader, Side
from services.model_server.adapters.outputs import label, output
from services.model_server.adapters.regions import SCORE_DIGITS, answer
from services.model_server.engines.engine import TensorSpec
from services.model_server.images import Resize
from services.registry.client import Modelinfo

EMBEDDING_DIGITS = 6


class ClassifierConfig(ImageInput, frozen=True, kw_only=True):
    """``config`` of a classifier; *embedding* empty: it gives none. Row 0 of the output is class 0."""

    input_width: Side = 224
    input_height: Side = 224
    resize: Resize = "bicubic"
    probs: str = "probs"
    embedding: str = "embedding"
    softmax: bool = False
    top: Annotated[int, msgspec.Meta(ge=1)] = 5


class Classifier:
    """A classifier of whole images."""

    tasks = frozenset({"classify"})

    def __init__(self, modelinfo: Modelinfo, inputs: Sequence[TensorSpec]) -> None:
        self._config = read_config(ClassifierConfig, modelinfo.config, dnnarch=modelinfo.dnnarch)
        self._reader = ImageReader(self._config, inputs)
        self._labels = modelinfo.classes

    def prepare(self, payload: bytes, task: str) -> Prepared:
        """Return the image as the model's input."""
        return self._reader.read(payload)

    def predict_json(self, outputs: Mapping[str, np.ndarray], frame: Frame, task: str) -> bytes:
        """Return the best classes and the embedding."""
        scores = output(outputs, self._config.probs, ndim=1).astype(np.float64)
        if self._config.softmax:
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
        best = np.argsort(-scores, kind="stable")[: self._config.top].tolist()
        classes = [{"label": label(self._labels, at), "score": round(float(scores[at]), SCORE_DIGITS)} for at in best]
        return answer(frame, [], classes=classes, **self._embedding(outputs))

    def _embedding(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        if not self._config.embedding:
            return {}
        vector = output(outputs, self._config.embedding, ndim=1).astype(np.float64)
        return {"embedding": vector.round(EMBEDDING_DIGITS).tolist()}
