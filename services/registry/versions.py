"""Descriptions between versions: while an upgrade rolls, the registry is newer than some of its readers, or older.

A field that a version adds has a default with which a description means what it meant before, and no version changes a
default. Whoever sends a description, or keeps it for good, may so leave out what has its default: an older version then
meets a new field only where that is used.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cache
from typing import Any

import msgspec


def without_defaults(description: msgspec.Struct) -> dict[str, Any]:
    """Return those fields of *description* that do not have their default."""
    defaults = _defaults(type(description))
    return {name: value for name, value in msgspec.structs.asdict(description).items() if value != defaults[name]}


def known_fields(fields: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    """Return those of *fields* that have one of the *names* of this version."""
    return {name: value for name, value in fields.items() if name in names}


@cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    made = {it.name: it.default_factory for it in msgspec.structs.fields(kind) if callable(it.default_factory)}
    return {it.name: made[it.name]() if it.name in made else it.default for it in msgspec.structs.fields(kind)}
