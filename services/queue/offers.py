"""A request's payloads as items that are offered to the queue."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import zip_longest

from msgspec.structs import replace

from chassis.shared_memory import Spot
from services.queue import keys
from services.queue.broker import Meta, Offered, Payload
from services.queue.call import PredictCall


def items_of(
    call: PredictCall, payloads: Sequence[Payload], spots: Sequence[Spot | None], *, to: str, request: int
) -> list[Offered]:
    """Return the items of a request, whose answers go *to* a list, or a job, as those of its *request* there.

    *spots* are where the payloads are in shared memory, none of them or one for each.
    """
    about = Meta(
        request_id=call.request_id,
        client=call.client_id,
        model=call.model_key,
        task=call.task,
        priority=call.priority,
        to=to,
        request=request,
        index=0,
        size=0,
        idem=_idem(call.client_id, call.idempotency_key),
    )
    items = []
    for place, (payload, spot) in enumerate(zip_longest(payloads, spots)):
        key = keys.payload_key(call.model_key, to, request, place)
        meta = replace(about, index=place, size=len(payload), payload=key)
        items.append(Offered(meta, payload, spot))
    return items


def _idem(client_id: str, idempotency_key: str) -> str:
    return keys.idempotency_key(_digest(client_id, idempotency_key)) if idempotency_key else ""


def _digest(*parts: str | Payload) -> str:
    """Return a hash of parts that no other parts have."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def print_of(items: Sequence[Offered]) -> str:
    """Return what the items of one request and no other have in common: what was asked for, and of which bytes."""
    meta = items[0].meta
    return _digest(meta.model, meta.task, *(item.payload for item in items))
