"""`make install` brings a fresh machine to what the lock says, or says what the machine lacks."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from cli import bootstrap
from tests.parts import ROOT, absent


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 14), (4, 0)])
def test_a_python_that_the_lock_is_not_made_for_is_refused_with_those_that_are(version: tuple[int, int]) -> None:
    assert "3.11, 3.12 or 3.13" in bootstrap.complaint(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_those_that_it_is_made_for_are_not(version: tuple[int, int]) -> None:
    assert "is needed" not in bootstrap.complaint(version)


def test_a_venv_whose_making_was_broken_off_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "cli").mkdir()
    command = [sys.executable, shutil.copy(ROOT / "cli" / "bootstrap.py", tmp_path / "cli")]
    (tmp_path / "requirements.lock").write_text("no-such-package==1 --hash=sha256:" + "0" * 64)
    venv.create(tmp_path / ".venv", with_pip=False)

    said = subprocess.run(command, env={"PIP_NO_INDEX": "1"}, capture_output=True, text=True)

    made = subprocess.run([tmp_path / ".venv" / "bin" / "python", "-m", "pip", "--version"], capture_output=True)
    assert made.returncode == 0, said.stdout + said.stderr
    assert said.returncode == 1 and "no-such-package" in said.stderr


def test_without_any_python_make_says_so() -> None:
    if not (make := shutil.which("make")):
        absent("no make")

    answer = subprocess.run([make, "install", "PYTHON="], cwd=ROOT, capture_output=True, text=True)

    assert answer.returncode == 2
    assert "no Python here: install 3.11, 3.12 or 3.13" in answer.stderr
