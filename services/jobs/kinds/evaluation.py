"""The kind ``evaluate``: a model on a labelled set, in figures, curves and a page."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
from msgspec.structs import replace

from services.jobs.kinds.kind import Kind, Parameters, Submission

Format = Literal["", "coco", "via", "voc", "yolo", "folders", "csv", "tusimple"]
Source = Annotated[str, msgspec.Meta(max_length=4096)]


class EvaluateParameters(Parameters, frozen=True, kw_only=True, tag="evaluate"):
    """A model on the labelled set *labelled_set*.

    *labelled_set* is an upload (``upload:<id>``) or, for those who may, a folder, archive or annotation file of the
    server's; *pictures* says where its pictures are, where they are not beside it. Without *format* it is found out.
    *labels* gives a label of the set the model's name for it, or an empty one to leave it out. *set_name* is what the
    set is called in reports and demands on a release (its folder's or file's name). With *record* the report is kept at
    the registry and linked from the model, which is for operators.
    """

    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    task: Literal["bbox", "polygon", "lane", "classify"] = "bbox"
    labelled_set: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    pictures: Source = ""
    format: Format = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    set_name: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    record: bool = True


def _check(parameters: Parameters, submission: Submission) -> Parameters:
    asked = cast(EvaluateParameters, parameters)
    if asked.record:
        submission.require_admin()
    model = submission.check_model(asked.model, asked.task)
    source = submission.check_source(asked.labelled_set, field="labelled_set")
    pictures = submission.check_source(asked.pictures, field="pictures") if asked.pictures else ""
    return replace(asked, model=model, labelled_set=source, pictures=pictures)


KIND = Kind("evaluate", EvaluateParameters, "services.jobs.evaluation.work:run", _check, "reports")
