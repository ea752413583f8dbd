"""Steps of a conversion in processes of their own: a framework's memory goes with it, and so do its crashes.

A worker that is to end sends SIGTERM to the job's whole group of processes. A step is in another one, so that the job
learns it from *check* alone and goes on after the restart; what happens to a job that is killed, step.py says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import IO

from chassis.settings import environment
from services.jobs.context import Failed

_STEP = "services.jobs.conversion.step"
_LOOK_S = 0.2
_MOST_SAID = 400


def run_module(module: str, arguments: Sequence[str], *, check: Callable[[], None], timeout_s: float) -> str:
    """Run ``python -m module`` and return the last line that it prints; *check* is called meanwhile, and may raise.

    Raises Failed with the last of what it says where it ends otherwise than well, or takes too long. To be called in
    the main thread: the step is killed when the thread that began it ends.
    """
    command = [sys.executable, "-m", _STEP, str(os.getpid()), module, *arguments]
    environ = {**environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environ, start_new_session=True)
        try:
            _wait(process, module, check, timeout_s)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        said, complained = _text(out), _text(errors)
    if process.returncode:
        lines = [line for line in complained.splitlines() if line.strip()]
        raise Failed((lines[-1] if lines else f"a step ended with {process.returncode}")[:_MOST_SAID])
    return said.strip().splitlines()[-1] if said.strip() else ""


def _wait(process: subprocess.Popen[bytes], module: str, check: Callable[[], None], timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while process.poll() is None:
        check()
        if time.monotonic() > until:
            raise Failed(f"{module.rpartition('.')[2]} took longer than {timeout_s:g} s")
        time.sleep(_LOOK_S)
    check()  # what is to end everything may have ended the step first


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
