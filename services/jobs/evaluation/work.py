"""Does an evaluation: reads the labelled set, predicts the pictures without an answer yet, judges, and reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from chassis.errors import ModelFailed
from services.jobs.context import Context, Failed
from services.jobs.evaluation import drawing, page
from services.jobs.evaluation.detections import Answered, payload, read_answer, task_to_ask
from services.jobs.evaluation.judging import Judged, judge
from services.jobs.evaluation.labelled_set import LabelledSet, Picture
from services.jobs.evaluation.labels import Matched, match_labels
from services.jobs.evaluation.readers import read_set
from services.jobs.evaluation.report import Report, for_registry
from services.jobs.images import BrokenPicture
from services.jobs.journal import Journal
from services.jobs.kinds.evaluation import EvaluateParameters
from services.jobs.materials import materials
from services.queue.client import Answer
from services.registry.client import Modelinfo

_ANSWERS = "answers.jsonl"


class _Line(msgspec.Struct, array_like=True):
    name: str
    answer: Answered


def run(context: Context) -> None:
    """Do the job; called again, it goes on behind the last picture that has its answer."""
    parameters: EvaluateParameters = context.parameters
    model = context.model(parameters.model)
    matched = _labelled(context, parameters, model)
    asked = task_to_ask(model, parameters.task)
    with context.journal(_ANSWERS) as journal:
        _predict(context, journal, matched.labelled, model, asked)
        lines = [msgspec.json.decode(line, type=_Line) for line in journal.lines()]
    answers = {line.name: line.answer for line in lines}
    context.progress(len(lines), len(lines), stage="judging")
    now = datetime.now(UTC)
    served_only = asked == parameters.task != "classify"
    report = judge(
        Judged(context.id, model, parameters.task, now.strftime("%Y-%m-%dT%H:%M:%SZ"), served_only), matched, answers
    )
    report = _with_pictures(report, matched.labelled, answers)
    _write(context, report)
    if parameters.record:
        made_at_ms = int(now.timestamp() * 1000)
        context.registry.put_report(for_registry(report, made_at_ms=made_at_ms, actor=context.client_id or "admin"))
    context.describe(**{name: value for name, value in report.figures.items() if value is not None})
    context.log(f"{len(answers)} pictures judged, {len(report.failed)} without an answer")


def _labelled(context: Context, parameters: EvaluateParameters, model: Modelinfo) -> Matched:
    """Return the set in the model's words; raises Failed where it has changed since the job began."""
    context.progress(0, 0, stage="reading the labelled set")
    folder = materials(context, parameters.labelled_set)
    pictures = materials(context, parameters.pictures) if parameters.pictures else None
    labelled = read_set(folder, pictures=pictures, format=parameters.format, name=parameters.set_name)
    before = context.kept("set")
    if before is not None and before.decode() != labelled.sha256:
        raise Failed("the labelled set has changed since the job began: submit it anew")
    context.keep("set", labelled.sha256.encode())
    names = [label for label in model.classes if label] if parameters.task != "lane" else []
    matched = match_labels(labelled, names, parameters.labels)
    _check_task(matched.labelled, parameters.task)
    if before is None:
        context.log(
            f"{labelled.name} ({labelled.format}): {len(labelled.pictures)} pictures, {labelled.objects} things"
        )
        for label, count in matched.unknown.items():
            context.log(f"the model does not know {label!r}: {count} of them do not count")
    return matched


def _check_task(labelled: LabelledSet, task: str) -> None:
    """Raise Failed where the set says nothing of what the model is asked."""
    lanes = any(picture.lanes is not None for picture in labelled.pictures)
    classes = any(picture.classes for picture in labelled.pictures)
    fits = {"lane": lanes, "classify": classes}.get(task, not lanes and not classes)
    if not fits:
        raise Failed(f"the labelled set ({labelled.format}) says nothing of the task {task}")


def _predict(context: Context, journal: Journal, labelled: LabelledSet, model: Modelinfo, task: str) -> None:
    total = len(labelled.pictures)
    if journal.count:
        context.log(f"{journal.count} of {total} pictures have their answer already")
    left = labelled.pictures[journal.count :]
    for picture, answer in context.predict(_payloads(left, task), model=model.key, task=task):
        line = _Line(picture.name, _answered(answer, model, task, picture))
        journal.append(msgspec.json.encode(line))
        context.progress(journal.count, total, stage="predicting")


def _payloads(pictures: Iterable[Picture], task: str) -> Iterator[tuple[Picture, bytes]]:
    return ((picture, payload(picture.file.read_bytes(), task)) for picture in pictures)


def _answered(answer: Answer, model: Modelinfo, task: str, picture: Picture) -> Answered:
    if answer.status != 200:
        problem = msgspec.json.decode(answer.body)
        return Answered(problem=f"{answer.status} {problem.get('detail') or problem.get('title')}")
    try:
        return read_answer(answer.body, model, task, (picture.width, picture.height))
    except ModelFailed as error:
        raise Failed(error.detail) from error


def _with_pictures(report: Report, labelled: LabelledSet, answers: Mapping[str, Answered]) -> Report:
    """Return the report with its worst pictures drawn; those that are broken stay without an image."""
    pictures = {picture.name: picture for picture in labelled.pictures}
    thresholds = {label: it.score for label, it in report.thresholds.items()}

    def drawn(name: str) -> str:
        picture, answer = pictures[name], answers.get(name, Answered())
        try:
            if report.task == "lane":
                jpeg = drawing.draw_lanes(picture, answer)
            elif report.task == "classify":
                jpeg = drawing.draw_classes(picture, answer)
            else:
                jpeg = drawing.draw_things(picture, answer, thresholds)
        except BrokenPicture:
            return ""
        return drawing.as_data_url(jpeg)

    worst = tuple(msgspec.structs.replace(it, image=drawn(it.name)) for it in report.worst)
    return msgspec.structs.replace(report, worst=worst)


def _write(context: Context, report: Report) -> None:
    with context.result("report.html") as file:
        file.write(page.render(report).encode())
    bare = tuple(msgspec.structs.replace(it, image="") for it in report.worst)
    with context.result("report.json") as file:
        file.write(msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(report, worst=bare)), indent=1))
