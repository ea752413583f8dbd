"""One picture of a batch prediction with what came of it: a line of the job's checkpoint, and of its ``jsonl``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from services.jobs.journal import Journal
from services.jobs.pictures import Picture
from services.queue.client import Answer

_PROBLEM = "the model gave an answer that cannot be read"


class Region(msgspec.Struct):
    """One object found, its shape as VIA has it, in pixels of the picture as it was read."""

    region_attributes: dict[str, Any]
    shape_attributes: dict[str, Any]


class Problem(msgspec.Struct):
    """Why a picture has no prediction; *status* is that of the Vision API."""

    status: int
    title: str
    detail: str


class Line(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One picture; *size* in bytes. With a *problem* there is no prediction."""

    filename: str
    size: int
    width: int = 0
    height: int = 0
    orientation_applied: bool = False
    regions: list[Region] = []
    classes: list[Any] = []
    embedding: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    problem: Problem | None = None


class _Prediction(msgspec.Struct):
    width: int
    height: int
    regions: list[Region]
    orientation_applied: bool = False
    classes: list[Any] = []
    embedding: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Told(msgspec.Struct):
    title: str = "Internal error"
    detail: str = "the prediction failed"


_PREDICTIONS = msgspec.json.Decoder(_Prediction)
_TOLD = msgspec.json.Decoder(_Told)
_LINES = msgspec.json.Decoder(Line)


def unread(picture: Picture) -> Line:
    """Return the line of a picture that could not be read."""
    return Line(filename=picture.name, size=0, problem=Problem(422, "Unreadable picture", picture.problem))


def answered(picture: Picture, answer: Answer, *, min_score: float) -> Line:
    """Return the line of a picture that was answered; regions and classes below *min_score* are left out."""
    line = Line(filename=picture.name, size=len(picture.content))
    try:
        if answer.status != 200:
            told = _TOLD.decode(answer.body)
            line.problem = Problem(answer.status, told.title, told.detail)
            return line
        found = _PREDICTIONS.decode(answer.body)
    except msgspec.MsgspecError:
        line.problem = Problem(500, "Internal error", _PROBLEM)
        return line
    line.width, line.height, line.orientation_applied = found.width, found.height, found.orientation_applied
    line.regions = [one for one in found.regions if one.region_attributes.get("score", 1.0) >= min_score]
    line.classes = [one for one in found.classes if one.get("score", 1.0) >= min_score]
    line.embedding = found.embedding
    return line


def lines_of(journal: Journal) -> Iterator[Line]:
    """Yield every line of a checkpoint, holding one at a time."""
    return map(_LINES.decode, journal.lines())
