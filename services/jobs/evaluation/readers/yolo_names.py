"""The names of a YOLO set's classes: in ``data.yaml``, or a line for each in ``classes.txt`` or ``obj.names``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from chassis.errors import BadRequest
from services.jobs.evaluation.readers.texts import text_of

TEXTS = ("classes.txt", "obj.names", "labels.txt")


def names_file(folder: Path) -> Path | None:
    """Return the file that has the names, beside the labels in *folder* or above them; None without one."""
    for place in (folder, folder.parent):
        for name in ("data.yaml", "dataset.yaml", *TEXTS):
            if (place / name).is_file():
                return place / name
    return None


def names_of(folder: Path) -> tuple[str, ...]:
    """Return the names by their classes' numbers; raises BadRequest where there are none, or not for each number."""
    path = names_file(folder)
    if path is None:
        raise BadRequest("a YOLO set needs the names of its classes: data.yaml or classes.txt beside its labels")
    if path.suffix != ".yaml":
        return tuple(line.strip() for line in text_of(path).splitlines() if line.strip())
    try:
        told: Any = yaml.safe_load(text_of(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise BadRequest(f"{path.name} is not YAML: {str(error)[:200]}") from error
    names = told.get("names") if isinstance(told, dict) else None
    if isinstance(names, dict) and names.keys() == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str | int | float) for name in names):
        raise BadRequest(f"{path.name}: `names` has to be a list of names, or a table of all numbers from 0 on")
    return tuple(map(str, names))
