"""The kind ``predict``: a model over every picture of a source."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
from msgspec.structs import replace

from chassis.errors import BadRequest
from services.jobs.kinds.kind import Kind, Parameters, Submission

Format = Literal["via", "coco", "jsonl", "csv", "annotated", "files"]


Source = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class PredictParameters(Parameters, frozen=True, tag="predict"):
    """A model over every picture of *source*.

    *source* is an upload (``upload:<id>``) or, for those who may, a folder or file of the server's (a picture, an
    archive, or a ``.txt`` with a path on each line), or an array of these.
    *formats*: ``jsonl`` (a line of JSON for each picture), ``via`` (VGG Image Annotator), ``coco``, ``csv`` (a line for
    each region), ``annotated`` (pictures with what was found drawn), ``files`` (a JSON file for each picture).
    Regions below *min_score* are left out. *model* and *task* are as in a prediction.
    """

    source: Source | Annotated[tuple[Source, ...], msgspec.Meta(min_length=1, max_length=10_000)]
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    task: Literal["bbox", "polygon", "lane", "classify"] = "bbox"
    formats: Annotated[tuple[Format, ...], msgspec.Meta(min_length=1, max_length=6)] = ("jsonl", "via")
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


def _check(parameters: Parameters, submission: Submission) -> Parameters:
    asked = cast(PredictParameters, parameters)
    unfit = {"coco"} & set(asked.formats) if asked.task in ("lane", "classify") else set()
    if unfit:
        raise BadRequest(f"formats: coco holds rectangles and polygons, nothing of the task {asked.task}")
    model = submission.check_model(asked.model, asked.task)
    if isinstance(asked.source, str):
        return replace(asked, model=model, source=submission.check_source(asked.source, field="source"))
    sources = [submission.check_source(one, field=f"source[{place}]") for place, one in enumerate(asked.source)]
    return replace(asked, model=model, source=tuple(sources))


KIND = Kind("predict", PredictParameters, "services.jobs.prediction.work:run", _check)
