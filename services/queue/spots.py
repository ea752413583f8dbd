"""Where in shared memory an item's payload is, in one line."""

from __future__ import annotations

from chassis.shared_memory import Spot


def write_spot(spot: Spot | None) -> bytes:
    """Return the line; nothing where it is in Redis alone."""
    return " ".join(map(str, spot)).encode() if spot else b""


def read_spot(line: bytes) -> Spot | None:
    """Return what ``write_spot`` wrote."""
    if not line:
        return None
    memory, region, *numbers = line.decode().split(" ")
    return Spot(memory, region, *map(int, numbers))
