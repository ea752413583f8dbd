"""The cores that this process was given."""

from __future__ import annotations

import os
from pathlib import Path


def quota_cores(text: str) -> float | None:
    """Return the cores that a cgroup's ``cpu.max`` grants (``"150000 100000"``: 1.5), None for no limit."""
    quota, _, period = text.strip().partition(" ")
    return None if quota == "max" or not period else int(quota) / int(period)


def cores() -> int:
    """Return how many cores this process may keep busy, at least 1."""
    allowed = len(os.sched_getaffinity(0))
    limit = Path("/sys/fs/cgroup/cpu.max")
    quota = quota_cores(limit.read_text()) if limit.is_file() else None
    return max(1, min(allowed, int(quota + 0.5)) if quota else allowed)
