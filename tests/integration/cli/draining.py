"""A program that takes its time to end, as one does that finishes what it has."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.programs import Program

_SCRIPT = """
import pathlib, signal, sys, time

said, finish = map(pathlib.Path, sys.argv[1:])

def say(words):
    with said.open("a") as file:
        file.write(words + "\\n")

signal.signal(signal.SIGTERM, lambda *_: say("told to end"))
say("started")
while not finish.exists():
    time.sleep(0.01)
say("finished")
"""


class Draining:
    """A program that ends where it may *finish*, and not before; it writes down each time that it is told to end."""

    def __init__(self, folder: Path, name: str = "slow") -> None:
        script, self._said, self._finish = (folder / f"{name}.{kind}" for kind in ("py", "said", "finish"))
        script.write_text(_SCRIPT)
        command = [sys.executable, str(script), str(self._said), str(self._finish)]
        self.program = Program(name, command, stop_s=60)

    def finish(self) -> None:
        self._finish.touch()

    def said(self) -> list[str]:
        return self._said.read_text().splitlines() if self._said.exists() else []
