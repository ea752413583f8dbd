"""The failures of an item that a server failed with, as Redis keeps them beside it and in the quarantine."""

from __future__ import annotations

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """One failed try: at which replica, why, and when (Unix time)."""

    replica: str
    reason: str
    at_s: float


_HISTORIES = msgspec.json.Decoder(list[Failure])


def read_history(text: str) -> list[Failure]:
    """Return the failed tries of an item, oldest first."""
    return _HISTORIES.decode(text) if text else []


def write_history(failures: list[Failure]) -> str:
    """Return a history as it is kept."""
    return msgspec.json.encode(failures).decode()
