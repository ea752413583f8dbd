"""The results of a batch prediction as one file each, written from the lines of its checkpoint one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO

from services.jobs.context import Context
from services.jobs.journal import Journal
from services.jobs.prediction import coco, table, via
from services.jobs.prediction.line import Line, lines_of

_LOOK_EVERY = 256
Writer = Callable[[IO[bytes], Callable[[], Iterator[Line]], list[str]], None]
"""Writes a file from the lines, which can be gone through several times, and the model's classes."""

_WRITERS: dict[str, tuple[str, Writer]] = {
    "via": ("via.json", via.write),
    "coco": ("coco.json", coco.write),
    "csv": ("regions.csv", table.write),
}


def write_formats(context: Context, lines: Journal) -> None:
    """Write each file that the job asks for."""
    formats = context.parameters.formats

    def read() -> Iterator[Line]:
        for number, line in enumerate(lines_of(lines)):
            if number % _LOOK_EVERY == 0:
                context.check()
            yield line

    if "jsonl" in formats:
        with context.result("predictions.jsonl") as file:
            file.writelines(line + b"\n" for line in lines.lines())
    wanted = [_WRITERS[name] for name in formats if name in _WRITERS]
    classes = list(context.model(context.parameters.model).classes) if wanted else []
    for name, write in wanted:
        with context.result(name) as file:
            write(file, read, classes)
