"""Labelled sets as Pascal VOC: one XML file for each picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from services.jobs.evaluation.labelled_set import Faults, LabelledSet, Picture, Truth, box_fault
from services.jobs.evaluation.pictures import PictureFinder

FORMAT = "voc"


def is_voc(folder: Path) -> bool:
    """Say whether *folder* holds annotations of Pascal VOC."""
    first = next(folder.rglob("*.xml"), None)
    return first is not None and "<annotation" in first.read_text(errors="replace")[:1000]


def read(folder: Path, name: str, pictures: Path) -> LabelledSet:
    """Return the set; raises BadRequest naming every fault. What is ``difficult`` does not count, as a crowd."""
    faults, finder = Faults(), PictureFinder(pictures)
    listed = [_picture(path, pictures, finder, faults) for path in sorted(folder.rglob("*.xml"))]
    faults.check()
    there = [picture for picture in listed if picture]
    labels = sorted({truth.label for picture in there for truth in picture.truths})
    return LabelledSet(name, FORMAT, tuple(labels), tuple(there))


def _picture(path: Path, pictures: Path, finder: PictureFinder, faults: Faults) -> Picture | None:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ElementTree.ParseError("no document type is taken")
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        faults.add(path.name, f"not XML ({error})")
        return None
    found = finder.measured(root.findtext("filename") or path.stem, faults)
    if found is None:
        return None
    file, width, height = found
    return Picture(
        file.relative_to(pictures).as_posix(),
        file,
        width,
        height,
        tuple(_truths(root, path.name, (width, height), faults)),
    )


def _truths(root: ElementTree.Element, where: str, size: tuple[int, int], faults: Faults) -> Iterator[Truth]:
    for at, thing in enumerate(root.iter("object")):
        try:
            left, top, right, bottom = (
                float(thing.findtext(f"bndbox/{edge}", "")) for edge in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError:
            faults.add(f"{where} object {at}", "its bndbox is not made of four numbers")
            continue
        # VOC counts pixels from 1, and the last one is inside.
        box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
        if fault := box_fault(box, *size):
            faults.add(f"{where} object {at}", fault)
            continue
        label, difficult = thing.findtext("name", "").strip(), thing.findtext("difficult", "0").strip() == "1"
        yield Truth(label, box, box[2] * box[3], crowd=difficult)
