"""The C library's allocator, told to hold no more than it needs. Does nothing where it is not glibc's.

By itself it keeps up to eight arenas for each core, and what a framework used while it loaded a model: for the demo
detector a quarter of the process.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Any

_M_ARENA_MAX = -8  # <malloc.h>


def _glibc() -> Any:
    """Return the C library where it has what is asked of it here, else None."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def limit_arenas(most: int) -> None:
    """Let threads share *most* arenas; only what starts afterwards is held to it."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, most)


def give_back() -> None:
    """Return to the operating system what is free, garbage included. Takes some milliseconds: not for a hot path."""
    gc.collect()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)
