"""The disk of jobs: how much room there is on it, and what says that there is none."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> int:
    """Return how much room there is on the disk of *folder*."""
    return shutil.disk_usage(folder).free


def require_room(
    folder: Path, size_bytes: int, *, leave_bytes: int, free_bytes: Callable[[Path], int] = free_bytes
) -> None:
    """Raise what a full disk does where so many bytes more would leave less than *leave_bytes* on it."""
    if free_bytes(folder) - size_bytes < leave_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_full(error: OSError) -> bool:
    """Return whether *error* says that a disk, or what may be had of it, is full."""
    return error.errno in _FULL
