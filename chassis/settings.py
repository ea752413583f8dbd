"""The one reader of the environment: fills a frozen dataclass of settings for each service.

The field ``redis_url`` is the variable ``SERVOIR_REDIS_URL``, or the content of the file that
``SERVOIR_REDIS_URL_FILE`` names, which is how containers are given secrets. A service reads its settings once, in its
``wsgi.py`` or ``__main__.py``, and hands them on as arguments. All that is wrong is named together: bad values, and
variables that no service knows (``known_variables.py`` has those of all, written by `make settings`).

``SERVOIR_ENV=production`` changes the defaults of a few fields, those that have ``production=``; each service says in
its log which.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NewType, TypeVar

from chassis.known_variables import KNOWN

PREFIX = "SERVOIR_"
FILE_SUFFIX = "_FILE"
TEST_PREFIX = "SERVOIR_TEST_"
ENVIRONMENT = "SERVOIR_ENV"
DEVELOPMENT, PRODUCTION = "development", "production"
S = TypeVar("S")

Bytes = NewType("Bytes", int)
"""A number of bytes; in the environment ``67108864``, ``64MiB`` or ``2GiB``."""

_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class BadSettings(Exception):
    """One or more settings are wrong; the text names each variable, its value, and what it takes."""


def setting(default: Any, *, help: str, production: Any = None) -> Any:
    """Return a dataclass field with *default*; *help* is its line in the table of settings.

    *production*, where it is not None, is its default under ``SERVOIR_ENV=production``.
    """
    return dataclasses.field(default=default, metadata={"help": help, "production": production})


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
    Path: lambda text: Path(text).expanduser().absolute(),  # whom it is handed on to works in another folder
    Bytes: parse_bytes,
    tuple[str, ...]: _parse_list,
}


_KINDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Bytes: "size",
    tuple[str, ...]: "list",
}


def _plain(kind: Any) -> Any:
    """Return *kind*, or the ``X`` of ``X | None``."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(arm for arm in typing.get_args(kind) if arm is not type(None))
    return kind


def kinds_of(settings: type[Any]) -> dict[str, str]:
    """Return the variables of *settings* and what each holds: ``text``, ``size`` …"""
    return {variable(name): _KINDS[_plain(kind)] for name, kind in typing.get_type_hints(settings).items()}


def faults_of(values: Mapping[str, str]) -> list[str]:
    """Return what is wrong with variables of any service, each in words: unknown, or not of its kind."""
    return [*_unknown(values, {}), *filter(None, (_fault(name, text) for name, text in values.items()))]


def _fault(name: str, text: str) -> str:
    parser = next((_PARSERS[kind] for kind, word in _KINDS.items() if word == KNOWN.get(name)), str)
    try:
        parser(text)
    except ValueError as error:
        return f"{name}: {error}"
    return ""


def _unknown(names: Iterable[str], own: Mapping[str, str]) -> list[str]:
    """Return a line for each of *names* that is a variable of ours and neither one's *own* nor any other's."""
    known = {*KNOWN, *own, ENVIRONMENT}
    wrong = []
    for name in sorted(names):
        if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX) and name.removesuffix(FILE_SUFFIX) not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
            wrong.append(f"{name}: no such setting" + (f"; {near[0]}?" if near else ""))
    return wrong


def _is_production(source: Mapping[str, str]) -> bool:
    said = source.get(ENVIRONMENT, "") or DEVELOPMENT
    if said not in (DEVELOPMENT, PRODUCTION):
        raise ValueError(f"{ENVIRONMENT}: {said!r} is none of {DEVELOPMENT}, {PRODUCTION}")
    return said == PRODUCTION


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

    An empty variable counts as not set. Raises BadSettings naming every variable that nobody knows, every value that
    cannot be read, and whatever the dataclass's own ``__post_init__`` finds (it raises ValueError).
    """
    source = os.environ if environ is None else environ
    wrong = _unknown(source, kinds_of(settings))
    values: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    missing: list[str] = []
    try:
        values = {**production_defaults(settings, source), **values}
    except ValueError as error:
        wrong.append(str(error))
    kinds = typing.get_type_hints(settings)
    for field in dataclasses.fields(typing.cast(Any, settings)):
        name = variable(field.name)
        try:
            if overrides.get(field.name) is None and (text := _text(name, source)):
                values[field.name] = _PARSERS[_plain(kinds[field.name])](text)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
            continue
        if field.name not in values and field.default is field.default_factory is dataclasses.MISSING:
            missing.append(f"{name}: not set ({field.metadata.get('help', 'required')})")
    wrong += missing
    if not missing:
        try:
            made = settings(**values)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise BadSettings("\n".join(wrong))
    return made


def production_defaults(settings: type[Any], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the fields of *settings* whose defaults are others in production, if this is; raises ValueError."""
    if not _is_production(os.environ if environ is None else environ):
        return {}
    fields = dataclasses.fields(settings)
    return {
        field.name: field.metadata["production"] for field in fields if field.metadata.get("production") is not None
    }


def described(settings: Any) -> dict[str, Any]:
    """Return what a service logs of its *settings* at its start: the environment, and what production made of it."""
    changed = production_defaults(type(settings))
    in_force = {name: getattr(settings, name) for name, value in changed.items() if getattr(settings, name) == value}
    return {"env": os.environ.get(ENVIRONMENT, "") or DEVELOPMENT, "production_defaults": in_force}
