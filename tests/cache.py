"""Where tests keep what takes long to fetch or to make, between runs: SERVOIR_CACHE, else a folder in the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.parts import ROOT

CACHE = Path(os.environ.get("SERVOIR_CACHE") or ROOT / "var" / "cache")


def demo_model(key: str) -> Path:
    """Return the folder of a demo model, made first where it is not there yet."""
    command = [sys.executable, "-m", "demo", "--cache", str(CACHE), key]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return Path(answer.stdout.splitlines()[-1])
