"""Model keys: their form, and the order of releases. Pure.

A key is ``<org_name>-<problem_id>-<rel_num>``; no part holds a ``-``. Without the last part it stands for the newest
released model of that problem.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from chassis.errors import BadRequest

PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,63}")
"""What one part of a key may look like: it goes into file names, URLs and metrics as it is."""

ReleaseOrder = tuple[int, float, str]


class ModelKey(NamedTuple):
    """A key taken apart; ``rel_num`` is empty where the newest release is meant."""

    org_name: str
    problem_id: str
    rel_num: str


def parse_key(text: str) -> ModelKey:
    """Return the parts of a key, with or without its release; raises BadRequest for anything else."""
    parts = text.split("-")
    if len(parts) not in (2, 3) or not all(PART.fullmatch(part) for part in parts):
        raise BadRequest(f"malformed model key: {text[:200]!r} (say <org>-<problem>-<rel>, or <org>-<problem>)")
    return ModelKey(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def release_order(rel_num: str) -> ReleaseOrder:
    """Return what sorts releases from oldest to newest.

    Integers order as numbers and ``ddmmyy_hhmmss`` by its date. A number stands over a date, because a freshly trained
    model is made a release by giving it a number; any other text stands below both, in alphabetical order.
    """
    if re.fullmatch(r"[0-9]+", rel_num):
        return (2, int(rel_num), rel_num)
    try:
        return (1, datetime.strptime(rel_num + "+0000", "%d%m%y_%H%M%S%z").timestamp(), rel_num)
    except ValueError:
        return (0, 0, rel_num)
