"""What the owner of a model is told on its channel: that something waits, or the item that its standing claim got.

An owner that has nothing to do leaves a claim for one item behind. Who enqueues the next one grants it in the same
step: so a request that comes alone does not wait until its owner has been woken and has asked Redis what there is.
"""

from __future__ import annotations

from typing import NamedTuple

from services.queue.broker import Item, decode_meta
from services.queue.spots import read_spot


class Grant(NamedTuple):
    """An item that was claimed for the owner under *token*; *deadline_s* is by Redis's clock."""

    token: str
    id: str
    deadline_s: float
    meta_json: bytes
    spot: bytes

    def item(self, now_s: float) -> Item:
        """Return it; it is *now_s* by Redis's clock."""
        meta, spot = decode_meta(self.meta_json), read_spot(self.spot)
        return Item(self.id, meta, self.meta_json, spot, self.deadline_s - now_s, wait_s=0.0, history="")


def read_wake(text: bytes) -> tuple[str, Grant | None]:
    """Return the model that has work for its owner, and what was granted to that, if anything (enqueue.lua)."""
    model, *granted = text.split(b"\n")
    if not granted:
        return model.decode(), None
    token, entry, deadline_ms, meta, spot = granted
    return model.decode(), Grant(token.decode(), entry.decode(), float(deadline_ms) / 1000, meta, spot)
