"""The success envelope: VGG Image Annotator JSON, as versions 2 and 3 of the Vision API have it.

A prediction's shapes are spliced in as the bytes that the model server wrote; only labels are read, for their colours.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from chassis.colors import color_of
from services.gateway.problems import Problem
from services.queue.client import Answer
from services.registry.client import Modelinfo

_ENCODER = msgspec.json.Encoder()
_ABSENT = msgspec.Raw()


class Region(msgspec.Struct):
    """One object found: its ``label``, ``score`` and ``color`` (red, green, blue in 0..1), and where it is.

    Shapes are VIA's, in pixels: ``rect`` (x, y, width, height), ``polygon`` and ``polyline`` (all_points_x,
    all_points_y).
    """

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


class FileAttributes(msgspec.Struct, kw_only=True):
    """An image's size after EXIF orientation; without a size where it could not be answered.

    *orientation_applied* (version 3) says that its EXIF orientation turned it; *error* (version 2) why it failed.
    """

    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    uuid: str
    orientation_applied: bool | UnsetType = UNSET
    error: str | UnsetType = UNSET


class File(msgspec.Struct, kw_only=True):
    """One image of a request; *size* in bytes. Version 3 has *problem* where it failed; a classifier adds the rest."""

    filename: str
    size: int
    file_attributes: FileAttributes
    regions: list[Region]
    problem: Problem | UnsetType = UNSET
    classes: msgspec.Raw | UnsetType = UNSET
    embedding: msgspec.Raw | UnsetType = UNSET


class TimingsV2(msgspec.Struct):
    """Seconds: reading the body, predicting (the queue's wait included), making the answer, and all of it."""

    image_read: float
    detect_with_json: float
    res_preparation: float
    tt_turnaround: float


class TimingsV3(TimingsV2):
    """Adds what ``detect_with_json`` was spent on, for the image that took longest.

    *queue_wait* for a free model server, then *service*: the call to it, which has *decode*, *infer* and *postprocess*
    in it.
    """

    queue_wait: float
    service: float
    decode: float
    infer: float
    postprocess: float


class ModelRef(msgspec.Struct):
    """The model that answered."""

    key: str
    version: str
    task: str


class QueueFigures(msgspec.Struct):
    """How the image that took longest went through the queue."""

    wait_s: float
    batch_size: int
    attempts: int


class EnvelopeV2(msgspec.Struct, kw_only=True):
    """Version 2's answer: exactly the members that its clients know. *type* is the model's key."""

    api: None = None
    type: str
    dnnarch: str
    result: msgspec.Raw
    status_code: int = 200
    timings: TimingsV2


class EnvelopeV3(EnvelopeV2, kw_only=True):
    """Version 3's answer."""

    timings: TimingsV3
    request_id: str
    model: ModelRef
    queue: QueueFigures


_DECODER = msgspec.json.Decoder(Prediction)


class Outcome(NamedTuple):
    """One image of a request with what came of it: a prediction or a problem; without a *uuid* it gets a new one."""

    key: str
    filename: str
    size_bytes: int
    answer: Answer | None = None
    prediction: Prediction | None = None
    problem: Problem | None = None
    uuid: str = ""


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
    return msgspec.Raw(_ENCODER.encode({outcome.key: _file_v2(outcome) for outcome in outcomes}))


def result_v3(outcomes: Sequence[Outcome]) -> msgspec.Raw:
    """Return version 3's ``result``; a failed image has no regions and a ``problem``."""
    return msgspec.Raw(_ENCODER.encode({outcome.key: _file_v3(outcome) for outcome in outcomes}))


def _prediction_id(outcome: Outcome) -> str:
    return f"pred-{outcome.uuid or uuid.UUID(int=random.getrandbits(128), version=4)}"


def _file_v2(outcome: Outcome) -> File:
    found = outcome.prediction
    attributes = FileAttributes(uuid=_prediction_id(outcome))
    if found is None:
        attributes.error = outcome.problem.detail if outcome.problem else ""
    else:
        attributes.width, attributes.height = found.width, found.height
    return File(
        filename=outcome.filename,
        size=outcome.size_bytes,
        file_attributes=attributes,
        regions=found.regions if found else [],
    )


def _file_v3(outcome: Outcome) -> File:
    file, found = _file_v2(outcome), outcome.prediction
    if found is None:
        file.file_attributes.error = UNSET
        file.problem = outcome.problem or UNSET
        return file
    file.file_attributes.orientation_applied = found.orientation_applied
    file.classes, file.embedding = found.classes or UNSET, found.embedding or UNSET
    return file


def envelope_v2(model: Modelinfo, result: msgspec.Raw, clock: Clock) -> EnvelopeV2:
    """Return version 2's answer."""
    return EnvelopeV2(type=model.key, dnnarch=model.dnnarch, result=result, timings=TimingsV2(*_steps(clock)))


def envelope_v3(
    model: Modelinfo, result: msgspec.Raw, clock: Clock, *, task: str, request_id: str, slowest: Answer
) -> EnvelopeV3:
    """Return version 3's answer; *slowest* is the answer that the request waited for longest."""
    return EnvelopeV3(
        type=model.key,
        dnnarch=model.dnnarch,
        result=result,
        timings=TimingsV3(*_steps(clock), *_hops(slowest)),
        request_id=request_id,
        model=ModelRef(model.key, model.rel_num, task),
        queue=QueueFigures(slowest.wait_s, slowest.batch_size, slowest.attempts),
    )


def _steps(clock: Clock) -> tuple[float, ...]:
    ends = (clock.started, clock.read, clock.predicted, clock.prepared)
    steps = [round(end - start, 6) for start, end in pairwise(ends)]
    return (*steps, round(clock.prepared - clock.started, 6))


def _hops(answer: Answer) -> tuple[float, ...]:
    hops = (answer.wait_s, answer.service_s, answer.decode_s, answer.infer_s, answer.postprocess_s)
    return tuple(round(seconds, 6) for seconds in hops)
