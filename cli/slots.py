"""The slots of model servers: each server has a number of its own, which its ports are counted from.

A server keeps its slot for as long as it is wanted, whatever comes and goes beside it: with another port it would have
to be started again. Kept in a file, for as long as the suite runs.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from chassis.whole_file import write_whole


def assigned(names: Sequence[str], known: Mapping[str, int]) -> dict[str, int]:
    """Return a slot for each of *names*: the one that is *known*, else the lowest that nobody has or had.

    What goes away may still be at its port while what is new starts.
    """
    free = (slot for slot in itertools.count() if slot not in set(known.values()))
    return {name: known[name] if name in known else next(free) for name in names}


def read_slots(path: Path) -> dict[str, int]:
    """Return the slots in the file at *path*; none where it is not there."""
    try:
        return {str(name): int(slot) for name, slot in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}


def write_slots(path: Path, slots: Mapping[str, int]) -> None:
    """Write *slots* to the file at *path*."""
    write_whole(path, json.dumps(slots, indent=2))
