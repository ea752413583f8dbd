"""The kind ``predict``: a model over every picture of a source."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
from msgspec.structs import replace

from services.jobs.kinds.kind import Kind, Parameters, Submission

Format = Literal["via", "coco", "jsonl", "csv", "annotated", "files"]


class PredictParameters(Parameters, frozen=True, tag="predict"):
    """A model over every picture of *source*.

    *source* is an upload (``upload:<id>``) or, for those who may, a folder, archive or list of files of the server's.
    *formats*: ``jsonl`` (a line of JSON for each picture), ``via`` (VGG Image Annotator), ``coco``, ``csv`` (a line for
    each region), ``annotated`` (pictures with what was found drawn), ``files`` (a JSON file for each picture).
    Regions below *min_score* are left out. *model* and *task* are as in a prediction.
    """

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    task: Literal["bbox", "polygon", "lane", "classify"] = "bbox"
    formats: Annotated[tuple[Format, ...], msgspec.Meta(min_length=1, max_length=6)] = ("jsonl", "via")
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


def _check(parameters: Parameters, submission: Submission) -> Parameters:
    asked = cast(PredictParameters, parameters)
    model = submission.check_model(asked.model, asked.task)
    return replace(asked, model=model, source=submission.check_source(asked.source, field="source"))


KIND = Kind("predict", PredictParameters, "services.jobs.prediction.work:run", _check)
