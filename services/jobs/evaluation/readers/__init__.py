"""Labelled sets by their formats: a new one is a file here and a line in ``read_set``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from chassis.errors import BadRequest
from chassis.json_text import UNREADABLE
from services.jobs.evaluation.labelled_set import LabelledSet
from services.jobs.evaluation.readers import classes, coco, tusimple, via, voc, yolo

FORMATS = (coco.FORMAT, via.FORMAT, voc.FORMAT, yolo.FORMAT, classes.FOLDERS, classes.CSV, tusimple.FORMAT)
_ANNOTATIONS = ("*.json", "*.csv")


def read_set(source: Path, *, pictures: Path | None = None, format: str = "", name: str = "") -> LabelledSet:
    """Return the labelled set at *source*, an annotation file or a folder; raises BadRequest naming what is wrong.

    Pictures are looked for in *pictures*, else in the folder of the annotations. Without *format* it is found out.
    """
    if not source.exists():
        raise BadRequest("the labelled set is not there")
    file = source if source.is_file() else _the_annotations(source, format)
    folder = pictures or (source if source.is_dir() else source.parent)
    called = name or (source.name if source.is_dir() else source.stem)
    read = _read_folder(source, called, folder, format) if file is None else _read_file(file, called, folder, format)
    if not read.pictures:
        raise BadRequest(f"the labelled set {called} has no pictures")
    return msgspec.structs.replace(read, sha256=_digest(read))


def _the_annotations(folder: Path, format: str) -> Path | None:
    """Return the one annotation file of a folder; None where the folder itself is the set."""
    if format in (voc.FORMAT, yolo.FORMAT, classes.FOLDERS):
        return None
    found = sorted(path for pattern in _ANNOTATIONS for path in folder.glob(pattern))
    found = found or sorted(folder.glob("annotations/*.json"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:8])
        raise BadRequest(f"the folder has several annotation files ({names}): name the one that is meant")
    return found[0] if found else None


def _read_file(file: Path, name: str, pictures: Path, format: str) -> LabelledSet:
    if format == classes.CSV or (not format and file.suffix.lower() == ".csv"):
        return classes.read_csv(file, name, pictures)
    text = file.read_bytes()
    if format == tusimple.FORMAT or (not format and tusimple.is_tusimple(text)):
        return tusimple.read(text, name, pictures)
    try:
        document: Any = msgspec.json.decode(text)
    except UNREADABLE as error:
        raise BadRequest(f"{file.name} is not JSON: {error}") from error
    if format == coco.FORMAT or (not format and coco.is_coco(document)):
        if not coco.is_coco(document):
            raise BadRequest(f"{file.name} is no COCO file: it needs images, annotations and categories")
        return coco.read(document, name, pictures)
    if format in ("", via.FORMAT) and via.is_via(document):
        return via.read(document, name, pictures)
    raise BadRequest(f"{file.name} is none of the formats {', '.join(FORMATS)}")


def _read_folder(folder: Path, name: str, pictures: Path, format: str) -> LabelledSet:
    if format == voc.FORMAT or (not format and voc.is_voc(folder)):
        return voc.read(folder, name, pictures)
    if format == yolo.FORMAT or (not format and yolo.is_yolo(folder)):
        return yolo.read(folder, name, pictures)
    if format == classes.FOLDERS or (not format and classes.is_folders(folder)):
        return classes.read_folders(folder, name)
    raise BadRequest(f"the folder holds no labelled set in one of the formats {', '.join(FORMATS)}")


def _digest(read: LabelledSet) -> str:
    """Return one sha256 for the truth and the pictures' bytes: equal where nothing changed."""
    whole = hashlib.sha256()
    for picture in read.pictures:
        with picture.file.open("rb") as file:
            told = msgspec.json.encode((picture.name, picture.truths, picture.classes, picture.lanes))
            whole.update(told + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
