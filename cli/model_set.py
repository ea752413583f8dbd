"""Which models are served: what servoir.yaml says, and over it what `release`, `retire` and `scale` changed since.

A change is of one problem (``<org>-<problem>``, all of its versions), and stands until servoir.yaml says something else
of that problem than it did when the change was made: who spoke last is right. Changes are kept in
``SERVOIR_HOME/models.json``, so that the next `servoir up` serves what is served now.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from chassis.whole_file import write_whole
from cli.deployment import ModelEntry
from cli.errors import Stop

Entries = dict[str, ModelEntry]
"""Models by their keys."""


class Change(msgspec.Struct, frozen=True):
    """What is served of one problem, in place of what was *written* in servoir.yaml when this was said."""

    written: Entries
    served: Entries


def problem_of(key: str) -> str:
    """Return ``<org>-<problem>``, the short key that finds the newest release."""
    return key.rpartition("-")[0]


def of_problem(entries: Mapping[str, ModelEntry], problem: str) -> Entries:
    """Return those of *entries* that are versions of *problem*."""
    return {key: entry for key, entry in entries.items() if problem_of(key) == problem}


def changed(written: Mapping[str, ModelEntry], changes: Mapping[str, Change]) -> Entries:
    """Return what is served: *written*, with each of *changes* that still stands, by problem, in its place."""
    standing = {problem: it for problem, it in changes.items() if it.written == of_problem(written, problem)}
    entries: Entries = {}
    for key, entry in written.items():
        change = standing.get(problem_of(key))
        entries |= {key: entry} if change is None else change.served
    for change in standing.values():
        entries |= change.served
    return entries


class ModelSet:
    """The models of a suite: *written* in its servoir.yaml, changed by what the file at *path* remembers."""

    def __init__(self, path: Path, written: Mapping[str, ModelEntry]) -> None:
        self._path, self._written = path, dict(written)

    def entries(self) -> Entries:
        """Return the models that are to be served."""
        return changed(self._written, self._read())

    def with_change(self, problem: str, served: Entries) -> Entries:
        """Return what ``entries`` would be, were *served* what is served of *problem*."""
        return changed(self._written, self._changes_with(problem, served))

    def remember(self, problem: str, served: Entries) -> None:
        """Serve *served* of *problem* from now on."""
        text = msgspec.json.format(msgspec.json.encode(self._changes_with(problem, served)), indent=2)
        write_whole(self._path, text.decode())

    def unwritten(self) -> list[str]:
        """Return the problems of which something else is served than servoir.yaml says."""
        changes = self._read()
        return [
            problem
            for problem, change in changes.items()
            if change.written == of_problem(self._written, problem) != change.served
        ]

    def _changes_with(self, problem: str, served: Entries) -> dict[str, Change]:
        return {**self._read(), problem: Change(of_problem(self._written, problem), served)}

    def _read(self) -> dict[str, Change]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Change])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError as error:
            raise Stop(f"{self._path}: {error}", "Delete it: servoir.yaml alone says then what is served.") from error
