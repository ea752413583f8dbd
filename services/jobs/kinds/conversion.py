"""The kind ``convert``: a model for another engine, as a new release, checked against what it came from."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
from msgspec.structs import replace

from chassis.errors import BadRequest
from services.jobs.kinds.kind import Kind, Parameters, Submission

Gpu = Literal["sm75", "sm80", "sm86", "sm89", "sm120", "sm121"]
_CONVERTIBLE = {"onnx": ("tensorflow",), "tensorrt": ("tensorflow", "onnx")}


class LetPass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far answers may differ: scores, edges in pixels, and the share of things that may be lost or new."""

    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    pixels: Annotated[float, msgspec.Meta(ge=0)]
    share: Annotated[float, msgspec.Meta(ge=0, le=1)]


class ConvertParameters(Parameters, frozen=True, kw_only=True, tag="convert"):
    """The model *model* for the engine *to*, in *precision*.

    *pictures* (a folder, an archive or an upload) are what the converted model is checked on against its source; the
    first *most_pictures* are looked at. *calibration* is what int8 is calibrated on; *pictures*, where it is not said.
    *rel_num* is the new release, the next whole number where it is not said. *max_batch_size* and *best_batch_size* are
    the profile of a TensorRT engine, built for *gpus*. Beyond *tolerance* (each precision has its own) it is refused.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    to: Literal["onnx", "tensorrt"]
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    pictures: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    calibration: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    most_pictures: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    rel_num: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.]*)?$")] = ""
    max_batch_size: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 8
    best_batch_size: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    gpus: Annotated[tuple[Gpu, ...], msgspec.Meta(min_length=1, max_length=6)] = ("sm89",)
    tolerance: LetPass | None = None


def _check(parameters: Parameters, submission: Submission) -> Parameters:
    asked = cast(ConvertParameters, parameters)
    submission.require_admin()
    key = submission.check_model(asked.model, "tensor")
    model = submission.models.find(key, "tensor")
    if model.framework_type not in _CONVERTIBLE[asked.to]:
        known = " or ".join(_CONVERTIBLE[asked.to])
        told = f"{key} runs on {model.framework_type}; what can be converted to {asked.to} runs on {known}"
        raise BadRequest(f"to: {told}")
    if asked.best_batch_size > asked.max_batch_size:
        raise BadRequest("best_batch_size: at most max_batch_size")
    pictures = submission.check_source(asked.pictures, field="pictures")
    calibration = submission.check_source(asked.calibration, field="calibration") if asked.calibration else ""
    return replace(asked, model=key, pictures=pictures, calibration=calibration)


KIND = Kind("convert", ConvertParameters, "services.jobs.conversion.work:run", _check, "reports")
