"""VGG Image Annotator's JSON: opens in VIA as it is, and is what the Vision API answers in ``result``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

import msgspec

from chassis.colors import color_of
from services.jobs.prediction.line import Line

_ENCODER = msgspec.json.Encoder()


def write(file: IO[bytes], lines: Callable[[], Iterator[Line]], _: list[str]) -> None:
    """Write all pictures, under their names."""
    file.write(b"{")
    for number, line in enumerate(lines()):
        file.write(b",\n" if number else b"\n")
        file.write(_ENCODER.encode(line.filename) + b":" + _ENCODER.encode(_file(line)))
    file.write(b"\n}\n")


def _file(line: Line) -> dict[str, Any]:
    about: dict[str, Any] = {"width": line.width, "height": line.height}
    if line.orientation_applied:
        about["orientation_applied"] = True
    if line.problem:
        about = {"problem": line.problem.detail}
    for region in line.regions:
        region.region_attributes["color"] = color_of(str(region.region_attributes.get("label", "")))
    told = {"filename": line.filename, "size": line.size, "file_attributes": about, "regions": line.regions}
    return {**told, "classes": line.classes} if line.classes else told
