"""Probabilities and a feature vector to classes and an embedding."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from chassis.errors import ModelFailed
from services.model_server.adapters import Frame
from tests.adapter_models import adapter, answered

FRAME = Frame(30, 20)
CLASSES = ("ant", "bee", "cat", "dog")


def test_the_best_classes_and_the_embedding_stand_beside_no_regions() -> None:
    given = {
        "probs": np.asarray([0.1, 0.2, 0.65432, 0.04568], np.float32),
        "embedding": np.asarray([0.5, -1.25, 1 / 3], np.float32),
    }

    found = answered(adapter("efficientnet_lite0", labels=CLASSES, top=2).predict_json(given, FRAME, "classify"))

    assert found == {
        "width": 30,
        "height": 20,
        "orientation_applied": False,
        "regions": [],
        "classes": [{"label": "cat", "score": 0.6543}, {"label": "bee", "score": 0.2}],
        "embedding": [0.5, -1.25, 0.333333],
    }


def test_logits_become_probabilities_and_an_embedding_may_be_absent() -> None:
    given = {"probs": np.asarray([1000.0, 1000.0, -1000.0], np.float32)}

    found = answered(
        adapter("efficientnet_lite0", labels=CLASSES, softmax=True, embedding="").predict_json(given, FRAME, "classify")
    )

    assert found["classes"] == [
        {"label": "ant", "score": 0.5},
        {"label": "bee", "score": 0.5},
        {"label": "cat", "score": 0.0},
    ]
    assert "embedding" not in found


def test_an_output_that_is_missing_or_no_number_is_the_models_failure() -> None:
    kind = adapter("efficientnet_lite0", labels=CLASSES)

    for broken in ({"probs": np.ones(3)}, {"probs": np.asarray([np.nan]), "embedding": np.ones(1)}):
        with pytest.raises(ModelFailed):
            kind.predict_json(broken, FRAME, "classify")


def test_an_echo_answers_with_the_length_and_checksum_of_what_it_was_sent() -> None:
    kind = adapter("echo", delay_s=0.01)
    prepared = kind.prepare(b"anything", "bbox")

    found = answered(kind.predict_json(prepared.tensors, prepared.frame, "bbox"))

    assert prepared.tensors["length"] == 8
    assert found["bytes"] == 8
    assert found["classes"] == [{"label": f"{zlib.crc32(b'anything'):08x}", "score": 1.0}]
    assert found["regions"] == []
