"""Labelled sets as YOLO's text files: a line ``class x y width height`` for each thing, as shares of the picture.

A line of more numbers is a polygon: ``class x y x y …``. Which file is of which picture is said in pairing.py, what the
classes are called in yolo_names.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath

from chassis.errors import BadRequest
from services.jobs.evaluation.labelled_set import (
    Faults,
    LabelledSet,
    Picture,
    Truth,
    box_fault,
    polygon_area,
    polygon_box,
)
from services.jobs.evaluation.pictures import picture_files, size_of
from services.jobs.evaluation.readers.pairing import paired
from services.jobs.evaluation.readers.texts import text_of
from services.jobs.evaluation.readers.yolo_names import TEXTS, names_file, names_of

FORMAT = "yolo"


def is_yolo(folder: Path) -> bool:
    """Say whether *folder* holds labels of YOLO."""
    return names_file(folder) is not None and any(path.name not in TEXTS for path in folder.rglob("*.txt"))


def read(folder: Path, name: str, pictures: Path) -> LabelledSet:
    """Return the set; raises BadRequest naming every fault. A picture without a file of labels shows nothing."""
    faults, labels = Faults(), names_of(folder)
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*.txt")) if path.name not in TEXTS]
    called = [path.relative_to(pictures) for path in picture_files(pictures)]
    pairs, listed = paired(called, files, faults), []
    for path in called:
        size = size_of(pictures / path, path.as_posix(), faults)
        if size is not None:
            truths = _truths(folder, pairs[path], labels, size, faults) if path in pairs else ()
            listed.append(Picture(path.as_posix(), pictures / path, *size, tuple(truths)))
    faults.check()
    return LabelledSet(name, FORMAT, labels, tuple(listed))


def _truths(
    folder: Path, file: PurePath, labels: tuple[str, ...], size: tuple[int, int], faults: Faults
) -> Iterator[Truth]:
    try:
        text = text_of(folder / file)
    except BadRequest as error:
        faults.add(file.as_posix(), error.detail)
        return
    for at, line in enumerate(text.splitlines(), 1):
        truth = _truth(line, labels, size, f"{file.as_posix()}:{at}", faults) if line.strip() else None
        if truth:
            yield truth


def _truth(line: str, labels: tuple[str, ...], size: tuple[int, int], where: str, faults: Faults) -> Truth | None:
    width, height = size
    try:
        number, *shares = line.split()
        at, values = int(number), [float(share) for share in shares]
    except ValueError:
        faults.add(where, "not a line of numbers")
        return None
    if not 0 <= at < len(labels):
        faults.add(where, f"class {at}, but there are {len(labels)} names")
        return None
    polygons: tuple[tuple[float, ...], ...] = ()
    if len(values) == 4:
        across, down = values[2] * width, values[3] * height
        box = (values[0] * width - across / 2, values[1] * height - down / 2, across, down)
    elif len(values) >= 6 and len(values) % 2 == 0:
        outline = tuple(value * (height if place % 2 else width) for place, value in enumerate(values))
        box, polygons = polygon_box((outline,)), (outline,)
    else:
        faults.add(where, f"{len(values)} numbers behind the class: 4 are a box, an even number from 6 on a polygon")
        return None
    if fault := box_fault(box, width, height):
        faults.add(where, fault)
        return None
    return Truth(labels[at], box, polygon_area(polygons) or box[2] * box[3], polygons)
