"""The success envelope: VGG Image Annotator JSON, as versions 2 and 3 of the Vision API have it.

A prediction's shapes are spliced in as the bytes that the model server wrote; only labels are read, for their colours.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from services.gateway.colors import color_of
from services.gateway.problems import Problem
from services.queue.client import Answer
from services.registry.client import Modelinfo

_ENCODER = msgspec.json.Encoder()
_ABSENT = msgspec.Raw()


class Region(msgspec.Struct):
    """One object found."""

    region_attributes: dict[str, Any]
    shape_attributes: msgspec.Raw


class Prediction(msgspec.Struct):
    """What a model server says of one image, in pixels of the image as sent (after EXIF orientation)."""

    width: int
    height: int
    regions: list[Region]
    orientation_applied: bool = False
    classes: msgspec.Raw = _ABSENT
    embedding: msgspec.Raw = _ABSENT


_DECODER = msgspec.json.Decoder(Prediction)


class Outcome(NamedTuple):
    """One image of a request with what came of it: a prediction or a problem."""

    key: str
    filename: str
    size_bytes: int
    answer: Answer | None = None
    prediction: Prediction | None = None
    problem: Problem | None = None


class Clock(NamedTuple):
    """When the steps of a request ended, by one monotonic clock in seconds."""

    started: float
    read: float
    predicted: float
    prepared: float


def read_prediction(body: bytes) -> Prediction:
    """Return a model server's JSON with a colour added to each region."""
    prediction = _DECODER.decode(body)
    for region in prediction.regions:
        attributes = region.region_attributes
        attributes["color"] = color_of(str(attributes.get("label", "")))
    return prediction


def result_v2(outcomes: Sequence[Outcome]) -> msgspec.Raw:
    """Return version 2's ``result``; a failed image has no regions and says why among its ``file_attributes``."""
    return msgspec.Raw(_ENCODER.encode({o.key: _file(o, _attributes_v2(o)) for o in outcomes}))


def result_v3(outcomes: Sequence[Outcome]) -> msgspec.Raw:
    """Return version 3's ``result``; a failed image has no regions and a ``problem``."""
    return msgspec.Raw(_ENCODER.encode({o.key: _file(o, _attributes_v3(o)) | _extras(o) for o in outcomes}))


def _file(outcome: Outcome, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "filename": outcome.filename,
        "size": outcome.size_bytes,
        "file_attributes": attributes,
        "regions": outcome.prediction.regions if outcome.prediction else [],
    }


def _prediction_id() -> str:
    return f"pred-{uuid.UUID(int=random.getrandbits(128), version=4)}"


def _attributes_v2(outcome: Outcome) -> dict[str, Any]:
    name = _prediction_id()
    if outcome.prediction is None:
        return {"uuid": name, "error": outcome.problem.detail if outcome.problem else ""}
    return {"width": outcome.prediction.width, "height": outcome.prediction.height, "uuid": name}


def _attributes_v3(outcome: Outcome) -> dict[str, Any]:
    name = _prediction_id()
    found = outcome.prediction
    if found is None:
        return {"uuid": name}
    size = {"width": found.width, "height": found.height}
    return size | {"uuid": name, "orientation_applied": found.orientation_applied}


def _extras(outcome: Outcome) -> dict[str, Any]:
    if outcome.prediction is None:
        return {"problem": outcome.problem}
    found = {"classes": outcome.prediction.classes, "embedding": outcome.prediction.embedding}
    return {name: value for name, value in found.items() if value}


def envelope_v2(model: Modelinfo, result: msgspec.Raw, clock: Clock) -> bytes:
    """Return version 2's body: exactly the members that its clients know."""
    return _ENCODER.encode(_envelope(model, result, _timings_v2(clock)))


def envelope_v3(
    model: Modelinfo, result: msgspec.Raw, clock: Clock, *, task: str, request_id: str, slowest: Answer
) -> bytes:
    """Return version 3's body; *slowest* is the answer that the request waited for longest."""
    queue = {"wait_s": slowest.wait_s, "batch_size": slowest.batch_size, "attempts": slowest.attempts}
    return _ENCODER.encode(
        _envelope(model, result, _timings_v2(clock) | _timings_of(slowest))
        | {
            "request_id": request_id,
            "model": {"key": model.key, "version": model.rel_num, "task": task},
            "queue": queue,
        }
    )


def _envelope(model: Modelinfo, result: msgspec.Raw, timings: dict[str, float]) -> dict[str, Any]:
    return {
        "api": None,
        "type": model.key,
        "dnnarch": model.dnnarch,
        "result": result,
        "status_code": 200,
        "timings": timings,
    }


def _timings_v2(clock: Clock) -> dict[str, float]:
    return {
        "image_read": round(clock.read - clock.started, 6),
        "detect_with_json": round(clock.predicted - clock.read, 6),
        "res_preparation": round(clock.prepared - clock.predicted, 6),
        "tt_turnaround": round(clock.prepared - clock.started, 6),
    }


def _timings_of(answer: Answer) -> dict[str, float]:
    return {
        "queue_wait": round(answer.wait_s, 6),
        "service": round(answer.service_s, 6),
        "decode": round(answer.decode_s, 6),
        "infer": round(answer.infer_s, 6),
        "postprocess": round(answer.postprocess_s, 6),
    }
