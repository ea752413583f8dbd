"""Labelled sets of lanes as TuSimple's JSON: a line for each picture with ``raw_file``, ``lanes`` and ``h_samples``."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chassis.json_text import UNREADABLE
from services.jobs.evaluation.labelled_set import Faults, LabelledSet, Lanes, Picture
from services.jobs.evaluation.pictures import PictureFinder

FORMAT = "tusimple"
LABEL = "lane"


class _Line(msgspec.Struct):
    raw_file: str
    lanes: list[list[float]]
    h_samples: list[float]


def is_tusimple(text: bytes) -> bool:
    """Say whether a file's text looks like TuSimple's."""
    return b'"h_samples"' in text.partition(b"\n")[0]


def read(text: bytes, name: str, pictures: Path) -> LabelledSet:
    """Return the set; raises BadRequest naming every fault."""
    faults, finder, listed = Faults(), PictureFinder(pictures), []
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = msgspec.json.decode(line, type=_Line)
        except UNREADABLE as error:
            faults.add(f"line {at}", str(error))
            continue
        if any(len(lane) != len(told.h_samples) for lane in told.lanes):
            faults.add(f"line {at}", "a lane has not as many numbers as h_samples")
            continue
        found = finder.measured(told.raw_file, faults)
        if found is not None:
            lanes = Lanes(tuple(told.h_samples), tuple(tuple(lane) for lane in told.lanes))
            listed.append(Picture(told.raw_file, *found, lanes=lanes))
    faults.check()
    return LabelledSet(name, FORMAT, (LABEL,), tuple(listed))
