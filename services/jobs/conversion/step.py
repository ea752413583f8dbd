"""A step of a conversion, in its own process: ``python -m services.jobs.conversion.step PARENT MODULE ARGUMENT…``.

Runs MODULE as ``python -m`` would, but the kernel kills it when the process PARENT, which began it, ends in whatever
way: the job's next run writes the same files.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have this process killed as soon as *parent* ends, on Linux; end at once where it has ended already."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"the process {parent} has ended")


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    module, sys.argv[1:] = sys.argv[2], sys.argv[3:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
