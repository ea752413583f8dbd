"""Huge pages for what a process allocates: 2 MB in place of 4 KB, so that the processor finds its way sooner.

Linux gives them to those who ask (``madvise``, what distributions set), or to all, or to none. glibc, from 2.35 on,
asks for a whole process when a variable says so at its start; older ones, and other C libraries, do not know it.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from chassis.settings import environment

SYSTEM = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_VARIABLE, _TUNABLE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"


def ask() -> None:
    """Have this program's memory in huge pages; call it first, since it begins the program anew, once.

    The process stays the same: its id, its limits, its open files. Who sets the tunable has decided: it is left alone.
    """
    variables = environment()
    tunables = variables.get(_VARIABLE, "")
    if _TUNABLE not in tunables and granted():
        asked = ":".join(filter(None, [tunables, f"{_TUNABLE}=1"]))
        os.execve(sys.executable, sys.orig_argv, {**variables, _VARIABLE: asked})


def granted(system: Path = SYSTEM) -> bool:
    """Return whether Linux gives huge pages to those who ask."""
    chosen = re.search(r"\[(\w+)\]", system.read_text()) if system.is_file() else None
    return chosen is not None and chosen[1] != "never"
