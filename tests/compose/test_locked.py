"""The part of a lock that an image installs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.parts import ROOT

FOLDER = ROOT / "deploy" / "docker"
LOCK = """\
black==1.0 \\
    --hash=sha256:aa
    # via kettle
kettle==2.1 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via servoir (pyproject.toml)
leaf==3.0 \\
    --hash=sha256:dd
    # via
    #   -c requirements.lock
    #   black
    #   other
other==4.0 \\
    --hash=sha256:ee
    # via servoir (pyproject.toml)
"""
PROJECT = """\
[project]
dependencies = []
[project.optional-dependencies]
tea = ["Kettle>=2", "steam; platform_machine == 'riscv'"]
all = ["kettle", "other>1"]
lost = ["sieve"]
"""


Printed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def printed(tmp_path: Path) -> Printed:
    (tmp_path / "lock").write_text(LOCK)
    (tmp_path / "pyproject.toml").write_text(PROJECT)

    def run(*extras: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(FOLDER / "locked.py"), str(tmp_path / "lock"), str(tmp_path / "pyproject.toml")]
        return subprocess.run([*command, *extras], capture_output=True, text=True)

    return run


def _names(lock: str) -> list[str]:
    return [line.partition("==")[0] for line in lock.splitlines() if "==" in line]


def test_an_extra_brings_what_it_names_and_what_that_needs_with_every_hash(printed: Printed) -> None:
    answer = printed("tea")

    assert _names(answer.stdout) == ["black", "kettle", "leaf"]
    assert all(f"sha256:{digest}" in answer.stdout for digest in ("aa", "bb", "cc", "dd"))
    assert "sha256:ee" not in answer.stdout


def test_several_extras_are_joined(printed: Printed) -> None:
    assert _names(printed("tea", "all").stdout) == ["black", "kettle", "leaf", "other"]


def test_what_is_not_locked_and_what_is_no_extra_are_named(printed: Printed) -> None:
    missing, unknown = printed("lost"), printed("coffee")

    assert missing.returncode and "not in the lock: sieve" in missing.stderr
    assert unknown.returncode and "no extra coffee" in unknown.stderr


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ("gateway",)),
        ("requirements.lock", ("queue",)),
        ("requirements.lock", ("registry",)),
        ("requirements.lock", ("jobs", "evaluation")),
        ("requirements.lock", ("model-server", "tensorflow", "onnx", "litert")),
        ("deploy/docker/cuda.lock", ("model-server", "tensorflow-cuda", "onnx-cuda", "tensorrt", "litert")),
    ],
)
def test_the_locks_have_all_that_images_install(lock: str, extras: tuple[str, ...]) -> None:
    command = [sys.executable, str(FOLDER / "locked.py"), str(ROOT / lock), str(ROOT / "pyproject.toml"), *extras]

    answer = subprocess.run(command, capture_output=True, text=True)

    assert answer.returncode == 0, answer.stderr
    assert "grpcio" in _names(answer.stdout)
