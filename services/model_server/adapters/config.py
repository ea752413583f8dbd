"""Reads a model's ``config`` by its adapter's schema, and names everything that is wrong with it."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import fields

from chassis.errors import BadRequest

S = TypeVar("S", bound=msgspec.Struct)


def read_config(schema: type[S], config: Mapping[str, Any], *, dnnarch: str) -> S:
    """Return *config* as *schema*; BadRequest naming every unknown, missing and bad field."""
    kinds = typing.get_type_hints(schema, include_extras=True)
    known = {field.name: field for field in fields(schema)}
    wrong = [f"{name}: unknown" for name in config if name not in known]
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name not in config:
            if field.required:
                wrong.append(f"{name}: missing")
            continue
        try:
            values[name] = msgspec.convert(config[name], kinds[name])
        except msgspec.ValidationError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise BadRequest(f"config of a {dnnarch} model: {'; '.join(wrong)} (known: {', '.join(known)})")
    return schema(**values)
