"""A virtual environment for each rival, apart from this project's own: made by ``uv`` from pinned versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from loadtests.rivals.rival import Rival

REQUIREMENTS = Path(__file__).parent / "requirements"
_MADE = "requirements.txt"
"""In an environment: the file that it was made from, written last."""


class CannotInstall(Exception):
    """An environment could not be made; the text says why."""


def programs(rival: Rival, cache: Path) -> Path:
    """Return the folder of the programs of *rival*'s environment in *cache*, which is made where it is not there.

    Raises CannotInstall.
    """
    folder, wanted = cache / "rivals" / rival.name, (REQUIREMENTS / f"{rival.name}.txt").read_text()
    made = folder / _MADE
    if not made.exists() or made.read_text() != wanted:
        _make(folder, REQUIREMENTS / f"{rival.name}.txt")
        made.write_text(wanted)
    return folder / "bin"


def version(rival: Rival) -> str:
    """Return the pinned version of *rival*."""
    lines = (REQUIREMENTS / f"{rival.name}.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{rival.package}=="))


def _make(folder: Path, requirements: Path) -> None:
    _uv("venv", "--clear", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    _uv("pip", "install", "--compile-bytecode", "--no-deps", "--python", python, "-r", str(requirements))


def _uv(*arguments: str) -> None:
    """Run uv. The files name every package, so nothing is resolved: what a wheel asks for on paper is not looked at."""
    command = [str(Path(sys.executable).with_name("uv")), "--quiet", *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise CannotInstall(f"uv: {error}") from error
    if answer.returncode:
        raise CannotInstall(" ".join(answer.stderr.split())[:300] or f"uv ended with {answer.returncode}")
