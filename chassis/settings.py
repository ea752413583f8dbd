"""The one reader of the environment: fills a frozen dataclass of settings for each service.

The field ``redis_url`` is the variable ``SERVOIR_REDIS_URL``, or the content of the file that
``SERVOIR_REDIS_URL_FILE`` names, which is how containers are given secrets. A service reads its settings once, in its
``wsgi.py`` or ``__main__.py``, and hands them on as arguments. All bad values are named together.
"""

from __future__ import annotations

import dataclasses
import os
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NewType, TypeVar

PREFIX = "SERVOIR_"
FILE_SUFFIX = "_FILE"
S = TypeVar("S")

Bytes = NewType("Bytes", int)
"""A number of bytes; in the environment ``67108864``, ``64MiB`` or ``2GiB``."""

_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class BadSettings(Exception):
    """One or more settings are wrong; the text names each variable, its value, and what it takes."""


def setting(default: Any, *, help: str) -> Any:
    """Return a dataclass field with *default*; *help* is its line in the table of settings."""
    return dataclasses.field(default=default, metadata={"help": help})


def environment() -> dict[str, str]:
    """Return a copy of the process's environment, for a child process that needs it whole."""
    return dict(os.environ)


def parse_bytes(text: str) -> int:
    """Return the number of bytes that *text* says (``512``, ``64MiB``, ``1.5GB``); ValueError otherwise."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if found is None or found[2].upper() not in _UNITS:
        raise ValueError(f"not a size: {text!r} (say 512, 64MiB, 2GiB …)")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _parse_bool(text: str) -> bool:
    if text.strip().lower() not in _TRUTH:
        raise ValueError(f"not a truth value: {text!r} (say true or false)")
    return _TRUTH[text.strip().lower()]


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: _parse_bool,
    Path: lambda text: Path(text).expanduser(),
    Bytes: parse_bytes,
    tuple[str, ...]: _parse_list,
}


def _parser(kind: Any) -> Callable[[str], Any]:
    """Return what reads a value of *kind* from text; ``X | None`` reads as ``X``."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(arm for arm in typing.get_args(kind) if arm is not type(None))
    return _PARSERS[kind]


def variable(field_name: str) -> str:
    """Return the environment variable of the settings field *field_name*."""
    return PREFIX + field_name.upper()


def _text(name: str, source: Mapping[str, str]) -> str:
    """Return what the variable *name* says, itself or in the file that it names; empty where neither says anything.

    Raises ValueError where both do, or the file cannot be read. What a file holds is never repeated: it may be secret.
    """
    text, file = source.get(name, ""), source.get(name + FILE_SUFFIX, "")
    if not file:
        return text
    if text:
        raise ValueError(f"set, and {name + FILE_SUFFIX} as well: say one of them")
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ValueError(f"cannot read the file {file} that {name + FILE_SUFFIX} names: {reason}") from error


def load(settings: type[S], environ: Mapping[str, str] | None = None, **overrides: Any) -> S:
    """Return *settings* filled from the environment; *overrides* that are not None stand over it.

    An empty variable counts as not set. Raises BadSettings naming every value that cannot be read, and whatever the
    dataclass's own ``__post_init__`` finds (it raises ValueError).
    """
    source = os.environ if environ is None else environ
    kinds = typing.get_type_hints(settings)
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field in dataclasses.fields(typing.cast(Any, settings)):
        if overrides.get(field.name) is not None:
            values[field.name] = overrides[field.name]
            continue
        try:
            if text := _text(variable(field.name), source):
                values[field.name] = _parser(kinds[field.name])(text)
                continue
        except ValueError as error:
            wrong.append(f"{variable(field.name)}: {error}")
            continue
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            wrong.append(f"{variable(field.name)}: not set ({field.metadata.get('help', 'required')})")
    if not wrong:
        try:
            return settings(**values)
        except ValueError as error:
            wrong.append(str(error))
    raise BadSettings("\n".join(wrong))
