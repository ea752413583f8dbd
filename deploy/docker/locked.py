"""``python3 locked.py LOCK PYPROJECT EXTRA…``: prints the part of a lock that some extras of the project need.

An image installs what its service runs and nothing else, in the versions and with the hashes that everything was
tested with. The lock says of each package what it came ``via``; from the project's own requirements on, that is
followed downwards. Needs nothing but Python 3.11, and asks no index.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<rest>(?:.*\n)(?:[ \t].*\n?)*)", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*")
_VIA = re.compile(r"^ +#(?: via)? +(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<project>\(.*\))?$", re.MULTILINE)


class Locked(NamedTuple):
    """One package of a lock: its lines as they stand there, and the packages that ask for it."""

    text: str
    via: frozenset[str]


def normal(name: str) -> str:
    """Return a package's name in the one spelling that names are compared in."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> dict[str, Locked]:
    """Return the packages of a lock that ``uv pip compile --generate-hashes`` wrote."""
    return {normal(entry["name"]): Locked(entry[0].rstrip() + "\n", _via(entry[0])) for entry in _ENTRY.finditer(text)}


def _via(entry: str) -> frozenset[str]:
    return frozenset(normal(found["name"]) for found in _VIA.finditer(entry) if not found["project"])


def asked_for(project: Mapping[str, object], extras: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield the name of each package that the project and its *extras* name, and whether other machines need it only.

    Raises SystemExit for an extra that there is not.
    """
    table = project["project"]
    assert isinstance(table, dict)
    if unknown := sorted(set(extras) - set(table["optional-dependencies"])):
        sys.exit(f"locked.py: pyproject.toml has no extra {', '.join(unknown)}")
    for group in (table["dependencies"], *(table["optional-dependencies"][extra] for extra in extras)):
        for requirement in group:
            name = _NAME.match(requirement)
            assert name, requirement
            yield normal(name[0]), ";" in requirement


def needed(lock: Mapping[str, Locked], asked: Sequence[tuple[str, bool]]) -> list[str]:
    """Return the names in *lock* that *asked* come to, in its order; raises SystemExit where one is not locked."""
    if missing := [name for name, conditional in asked if name not in lock and not conditional]:
        sys.exit(f"locked.py: not in the lock: {', '.join(missing)}; `make lock` writes it anew")
    found = {name for name, _ in asked if name in lock}
    while more := {name for name, package in lock.items() if name not in found and package.via & found}:
        found |= more
    return [name for name in lock if name in found]


def main(lock_file: str, project_file: str, *extras: str) -> None:
    """Print the part of the lock."""
    lock = read_lock(Path(lock_file).read_text(encoding="utf-8"))
    project = tomllib.loads(Path(project_file).read_text(encoding="utf-8"))
    for name in needed(lock, list(asked_for(project, extras))):
        sys.stdout.write(lock[name].text)


if __name__ == "__main__":
    main(*sys.argv[1:])
