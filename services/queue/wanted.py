"""The line on a gateway's list of answers that asks it for a payload: to be stored in Redis (recall.py says why)."""

from __future__ import annotations

_MARK = "?"


def write_wanted(request: int, index: int) -> str:
    """Return the line that asks for one payload of a request."""
    return f"{_MARK}{request} {index}"


def read_wanted(frame: bytes) -> tuple[int, int] | None:
    """Return which request is asked for which of its payloads; None where the frame is an answer."""
    if not frame.startswith(_MARK.encode()):
        return None
    request, index = frame[len(_MARK) :].split()
    return int(request), int(index)
