"""The id that follows a request through every service and log line."""

from __future__ import annotations

import random
import re

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}").fullmatch


def request_id_of(header: str | None) -> str:
    """Return the caller's own id where it is well formed (64 of ``A-Za-z0-9._:-``), else a new one.

    A bad id is replaced and not refused: it is a hint for logs, and must not break in them. Ids are no secrets, so
    that their chance need not come from the kernel; Python reseeds its own in every forked process.
    """
    if header and _WELL_FORMED(header):
        return header
    return f"{random.getrandbits(128):032x}"
