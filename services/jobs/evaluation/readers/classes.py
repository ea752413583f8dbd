"""Labelled sets of whole pictures: a folder for each class, or a CSV file of names and labels."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from chassis.errors import BadRequest
from services.jobs.evaluation.labelled_set import Faults, LabelledSet, Picture
from services.jobs.evaluation.pictures import PictureFinder, picture_files, size_of
from services.jobs.evaluation.readers.texts import text_of

FOLDERS, CSV = "folders", "csv"
_HEADERS = ("filename", "file", "image", "name", "path")


def is_folders(folder: Path) -> bool:
    """Say whether *folder* has folders with pictures, and none itself."""
    own = [path for path in picture_files(folder) if path.parent == folder]
    return not own and any(path.parent.parent == folder for path in picture_files(folder))


def read_folders(folder: Path, name: str) -> LabelledSet:
    """Return the set whose labels are the names of its folders; raises BadRequest naming every fault."""
    faults, listed = Faults(), []
    for path in picture_files(folder):
        relative = path.relative_to(folder)
        size = size_of(path, relative.as_posix(), faults)
        if size is None:
            continue
        if len(relative.parts) < 2:
            faults.add(relative.as_posix(), "lies in no class's folder")
            continue
        listed.append(Picture(relative.as_posix(), path, *size, classes=(relative.parts[0],)))
    faults.check()
    labels = sorted({label for picture in listed for label in picture.classes})
    return LabelledSet(name, FOLDERS, tuple(labels), tuple(listed))


def read_csv(file: Path, name: str, pictures: Path) -> LabelledSet:
    """Return the set of lines ``file,label[,label …]``, any of which is right; raises BadRequest naming every fault."""
    faults, finder, listed = Faults(), PictureFinder(pictures), []
    for at, row in _rows(file):
        if not row or (at == 1 and row[0].lower() in _HEADERS):
            continue
        if len(row) < 2:
            faults.add(f"{file.name}:{at}", "no label behind the picture's name")
            continue
        found = finder.measured(row[0], faults)
        if found is not None:
            listed.append(Picture(row[0], *found, classes=tuple(row[1:])))
    faults.check()
    labels = sorted({label for picture in listed for label in picture.classes})
    return LabelledSet(name, CSV, tuple(labels), tuple(listed))


def _rows(file: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that are not empty, and its number."""
    try:
        rows = enumerate(csv.reader(io.StringIO(text_of(file), newline="")), 1)
        return [(at, [cell.strip() for cell in row if cell.strip()]) for at, row in rows]
    except csv.Error as error:
        raise BadRequest(f"{file.name} is no table: {error}") from error
