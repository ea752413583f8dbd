"""Lines of several log files in the order of their times; a line without a time stays behind the one before it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    """A line and its Unix time, in seconds."""

    at_s: float
    text: str


class LogFile:
    """A log file that grows; each ``read`` goes on where the last one ended, and starts over when it was rotated."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._last_s = 0.0

    def read(self) -> Iterator[Line]:
        """Yield the whole lines that are new."""
        if not self._path.exists():
            return
        if self._path.stat().st_size < self._offset:
            self._offset = 0
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for text in whole.decode("utf-8", "replace").splitlines():
            self._last_s = time_of(text) or self._last_s
            yield Line(self._last_s, text)


def merged(files: Iterable[LogFile]) -> list[str]:
    """Return the new lines of *files*, oldest first."""
    lines = [line for file in files for line in file.read()]
    return [line.text for line in sorted(lines, key=lambda line: line.at_s)]


def time_of(text: str) -> float | None:
    """Return the Unix time that a JSON line says; None for a line that says none."""
    if not text.startswith("{"):
        return None
    try:
        return datetime.fromisoformat(json.loads(text)["time"]).timestamp()
    except (ValueError, KeyError, TypeError):
        return None
