"""What a model found in a picture, read from its answers through the queue.

A detector is served with a threshold: below it nothing is answered, so a curve of precision over recall would end
there. Where its boxes are the network's own outputs, it is therefore asked for its tensors, and every box counts, as it
would for whoever runs the network by hand. Other models are judged by what they are served with.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from chassis.errors import ModelFailed
from chassis.rpc import inference_pb2 as pb
from services.registry.client import Modelinfo

_OUTPUTS = {"boxes": "detection_boxes", "scores": "detection_scores", "classes": "detection_classes"}
_FINISHED_BOXES = ("ssd_mobilenet_v2",)
TENSOR = "tensor"


class Found(msgspec.Struct, frozen=True, array_like=True):
    """One thing that was found: *box* is left, top, width, height in pixels; *points* x, y, x, y … of its outline."""

    label: str
    score: float
    box: tuple[float, float, float, float]
    points: tuple[float, ...] = ()


class Answered(msgspec.Struct, frozen=True):
    """What came back for one picture: things, classes of the whole picture best first, or why there is nothing."""

    found: tuple[Found, ...] = ()
    classes: tuple[tuple[str, float], ...] = ()
    problem: str = ""


def task_to_ask(model: Modelinfo, task: str) -> str:
    """Return the task to ask the model for, to judge how it does *task*."""
    return TENSOR if task == "bbox" and model.dnnarch in _FINISHED_BOXES else task


def payload(picture: bytes, task: str) -> bytes:
    """Return what is sent for an encoded *picture*."""
    if task != TENSOR:
        return picture
    request = pb.ModelInferRequest()
    request.inputs.add(name="image", datatype="BYTES", shape=[1, 1])
    request.raw_input_contents.append(len(picture).to_bytes(4, "little") + picture)
    return request.SerializeToString()


def read_answer(body: bytes, model: Modelinfo, task: str, size: tuple[int, int]) -> Answered:
    """Return what *body*, a model's answer to *task* for a picture of *size* (width, height), says was found."""
    if task == TENSOR:
        return Answered(tuple(_boxes(_tensors(body), model, size)))
    told = msgspec.json.decode(body)
    classes = tuple((str(guess["label"]), float(guess["score"])) for guess in told.get("classes", ()))
    return Answered(tuple(_regions(told["regions"])), classes)


def _tensors(body: bytes) -> dict[str, np.ndarray]:
    response = pb.ModelInferResponse.FromString(body)
    kinds = {"FP32": "<f4", "FP64": "<f8", "FP16": "<f2", "INT32": "<i4", "INT64": "<i8"}
    return {
        output.name: np.frombuffer(raw, kinds[output.datatype]).reshape(tuple(output.shape))
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        if output.datatype in kinds
    }


def _boxes(tensors: dict[str, np.ndarray], model: Modelinfo, size: tuple[int, int]) -> list[Found]:
    """Return every box with a score above 0 and a class that has a name, best first, as in the network's outputs."""
    names = {what: str(model.config.get(what, name)) for what, name in _OUTPUTS.items()}
    if missing := [name for name in names.values() if name not in tensors]:
        raise ModelFailed(f"{model.key} gives no {', '.join(missing)}")
    boxes, scores, class_ids = (tensors[names[what]][0] for what in _OUTPUTS)
    width, height = size
    found = []
    for (top, left, bottom, right), score, class_id in zip(
        boxes.astype(float).tolist(), scores.astype(float).tolist(), class_ids.astype(int).tolist(), strict=True
    ):
        label = model.classes[class_id] if 0 <= class_id < len(model.classes) else ""
        if score > 0 and label:
            box = (left * width, top * height, (right - left) * width, (bottom - top) * height)
            found.append(Found(label, score, box))
    return found


def _regions(regions: list[dict[str, Any]]) -> list[Found]:
    """Return one thing for each instance: a polygon stands for the rectangle right before it."""
    found: list[Found] = []
    for region in regions:
        shape, attributes = region["shape_attributes"], region["region_attributes"]
        label, score = str(attributes["label"]), float(attributes.get("score", 1.0))
        if shape["name"] == "rect":
            box = tuple(float(shape[member]) for member in ("x", "y", "width", "height"))
            found.append(Found(label, score, (box[0], box[1], box[2], box[3])))
            continue
        points = tuple(
            float(value) for point in zip(shape["all_points_x"], shape["all_points_y"], strict=True) for value in point
        )
        outlined = Found(label, score, _around(points), points)
        if shape["name"] == "polygon" and found and not found[-1].points and found[-1].label == label:
            found[-1] = msgspec.structs.replace(outlined, box=found[-1].box)
        else:
            found.append(outlined)
    return found


def _around(points: tuple[float, ...]) -> tuple[float, float, float, float]:
    xs, ys = points[0::2], points[1::2]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
