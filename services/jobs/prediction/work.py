"""Does a batch prediction: lists the pictures once, predicts those without a line yet, then writes the formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from services.jobs.context import Context, Failed
from services.jobs.journal import Journal, replaced
from services.jobs.kinds.predict import PredictParameters
from services.jobs.pictures import Entry, Picture, entries_of, read_pictures, write_list
from services.jobs.prediction.formats import write_formats
from services.jobs.prediction.line import answered, lines_of, unread
from services.jobs.prediction.per_picture import PerPicture
from services.jobs.sources import listed_paths

_LIST, _LINES, _TOTAL = "pictures.list", "lines.jsonl", "total"
_ENCODER = msgspec.json.Encoder()

_Asked = tuple[list[Picture], Picture]
"""Pictures that could not be read, and the one behind them that could."""


def run(context: Context) -> None:
    """Do the job; called again, it goes on behind the last picture that has its line."""
    total = _listed(context)
    parameters: PredictParameters = context.parameters
    each = PerPicture(context.folder, parameters.formats)
    with context.journal(_LINES) as lines:
        if lines.count:
            context.log(f"{lines.count} of {total} pictures have their answer already")
        _predict(context, lines, total, each)
        context.progress(total, total, stage="writing results")
        write_formats(context, lines)
        each.write(context)
        _sum_up(context, lines)


def _listed(context: Context) -> int:
    """Return how many pictures there are, listing them where that was not done yet."""
    kept = context.kept(_TOTAL)
    if kept is not None:
        return int(kept)
    context.progress(0, 0, stage="listing pictures")
    with replaced(context.folder / _LIST) as file:
        total = write_list(file, _entries(context), context.limits)
    if not total:
        raise Failed("the source has no picture")
    context.keep(_TOTAL, str(total).encode())
    context.log(f"{total} pictures")
    return total


def _entries(context: Context) -> Iterator[Entry]:
    source = context.parameters.source
    for one in (source,) if isinstance(source, str) else source:
        path = context.source(one)
        for listed in listed_paths(path, context.source):
            for entry in entries_of(listed, context.limits):
                context.check()
                yield entry


def _predict(context: Context, lines: Journal, total: int, each: PerPicture) -> None:
    parameters: PredictParameters = context.parameters
    last: list[Picture] = []
    payloads = _payloads(_pictures(context, lines.count), last)
    for (unreadable, picture), answer in context.predict(payloads, model=parameters.model, task=parameters.task):
        _add_unread(lines, unreadable, each)
        line = answered(picture, answer, min_score=parameters.min_score)
        each.add(lines.count, picture, line)
        lines.append(_ENCODER.encode(line))
        context.progress(lines.count, total, stage="predicting")
    _add_unread(lines, last, each)


def _pictures(context: Context, start: int) -> Iterator[Picture]:
    with (Path(context.folder) / _LIST).open("rb") as listed:
        yield from read_pictures(islice(listed, start, None), context.limits)


def _payloads(pictures: Iterable[Picture], last: list[Picture]) -> Iterator[tuple[_Asked, bytes]]:
    """Yield each picture that could be read, after those that could not; these are left in *last* at the end."""
    for picture in pictures:
        if picture.problem:
            last.append(picture)
        else:
            yield ([*last], picture), picture.content
            last.clear()


def _add_unread(lines: Journal, pictures: Iterable[Picture], each: PerPicture) -> None:
    for picture in pictures:
        line = unread(picture)
        each.add(lines.count, picture, line)
        lines.append(_ENCODER.encode(line))


def _sum_up(context: Context, lines: Journal) -> None:
    pictures = broken = regions = 0
    with context.result("problems.jsonl") as problems:
        for line in lines_of(lines):
            pictures, broken, regions = pictures + 1, broken + bool(line.problem), regions + len(line.regions)
            if line.problem:
                problems.write(_ENCODER.encode({"filename": line.filename, "problem": line.problem}) + b"\n")
    context.describe(pictures=pictures, broken=broken, regions=regions)
    context.log(f"{pictures} pictures, {broken} of them broken; {regions} regions")
