"""The network of a conversion as an ONNX file in the precision that was asked for, and what made it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.jobs.context import Failed
from services.jobs.conversion import onnx_models, quantizing
from services.jobs.conversion.processes import run_module
from services.jobs.conversion.report import Calibration
from services.jobs.conversion.sampling import Sample
from services.jobs.conversion.suppression import OPERATION
from services.jobs.conversion.tensorflow import Converted
from services.registry.client import Modelinfo

_MODULE = "services.jobs.conversion.tensorflow"


class Network(NamedTuple):
    """An ONNX *file*, and the versions of the *tools* that made it."""

    file: Path
    tools: dict[str, str]


class Source(NamedTuple):
    """The model that is converted: its description, its folder, and what it said to the pictures."""

    model: Modelinfo
    folder: Path
    said: Sample


def network(source: Source, target: str, file: Path, *, check: Callable[[], None], timeout_s: float) -> Network:
    """Write *source*'s network for *target* (onnx, tensorrt) to *file*; raises Failed."""
    tools = {"onnx": onnx_models.version()}
    if source.model.framework_type == "onnx":
        own = [source.folder / it.path for it in source.model.files if it.path.endswith(".onnx")]
        if len(own) != 1:
            raise Failed(f"{source.model.key} does not have one .onnx file")
        file.write_bytes(own[0].read_bytes())
        return Network(file, tools)
    shape = "x".join(str(side or 0) for side in source.said.input_shape())
    arguments = ["--model", str(source.folder), "--target", target, "--shape", shape, "--out", str(file)]
    line = run_module(_MODULE, arguments, check=check, timeout_s=timeout_s)
    done = msgspec.json.decode(line.encode(), type=Converted)
    return Network(file, {"tensorflow": done.tensorflow, "tf2onnx": done.tf2onnx, **tools})


def in_half(given: Network, file: Path) -> Network:
    """Write the network's bulk in 16 bits to *file*."""
    onnx_models.save(onnx_models.halved(onnx_models.read(given.file), leave=OPERATION), file)
    return Network(file, given.tools)


def in_eighths(given: Network, file: Path, calibration: Sample) -> Network:
    """Write the network's bulk in 8 bits, calibrated on what the source was given of a set, to *file*."""
    version = quantizing.quantized(given.file, file, calibration.inputs(), leave=OPERATION)
    return Network(file, {**given.tools, "onnxruntime": version})


def calibration_of(pictures: Sequence[Path]) -> Calibration:
    """Return what is told of a calibration set."""
    whole = hashlib.sha256()
    for picture in pictures:
        with picture.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return Calibration(len(pictures), whole.hexdigest())
