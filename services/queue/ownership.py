"""Which dispatcher feeds which model, so that what could be one batch is not split between two. Pure policy.

Rendezvous hashing (Thaler and Ravishankar, 1998): all dispatchers reckon the same owner without talking, and when one
comes or goes only the models that are its own change hands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection


def owner_of(model: str, dispatchers: Collection[str]) -> str | None:
    """Return the dispatcher that is to feed *model*, or None where there is none."""

    def weight(dispatcher: str) -> bytes:
        return hashlib.blake2b(f"{dispatcher}\0{model}".encode(), digest_size=8).digest()

    return max(sorted(dispatchers), key=weight, default=None)


def owned_by(me: str, models: Collection[str], dispatchers: Collection[str]) -> set[str]:
    """Return those of *models* that *me* is to feed."""
    return {model for model in models if owner_of(model, dispatchers) == me}
