"""The C library's allocator, told what to keep and what to give back. Does nothing where it is not glibc's.

By itself it keeps up to eight arenas for each core, and what a framework used while it loaded a model: for the demo
detector a quarter of the process. And by itself it gives what a request used back to the system at its end, and takes
it anew, page by page, for the next.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Any

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1  # <malloc.h>


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


def keep(bytes: int, *, up_to: int) -> None:
    """Have up to *bytes* of what was freed kept for what comes next, of pieces *up_to* so many bytes each.

    Larger pieces go back to the system at their end: by itself it keeps them in as many heaps as threads held one.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, up_to)
        libc.mallopt(_M_TRIM_THRESHOLD, bytes)


def give_back() -> None:
    """Return to the operating system what is free, garbage included. Takes some milliseconds: not for a hot path."""
    gc.collect()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)
