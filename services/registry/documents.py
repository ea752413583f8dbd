"""What is kept in MongoDB, as documents, and back (``store.py`` lists the collections)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from chassis import logs
from chassis.rpc.registry_pb2 import Lease
from services.registry.api_keys import KnownKey
from services.registry.modelinfo import Modelinfo
from services.registry.versions import without_defaults

log = logs.logger()
Document = dict[str, Any]


class StoredLease(NamedTuple):
    """A lease as one registry process (*by*) stored it; *renewal* is new with every time it does."""

    lease: Lease
    by: str
    renewal: str


class EndedLease(NamedTuple):
    """A lease that is to be deleted, whatever is stored of it; one that expired only if this is its last *renewal*."""

    renewal: str = ""


class Change(NamedTuple):
    """What some process, also this one, changed: the collection, the document's id, and the lease where it is one."""

    collection: str
    id: str
    lease: StoredLease | None


def model_document(modelinfo: Modelinfo) -> Document:
    """Return a model's document: its key as the id, and every field."""
    return {"_id": modelinfo.key, **msgspec.to_builtins(modelinfo)}


def api_key_document(known: KnownKey) -> Document:
    """Return an API key's document: its id, its fields, the hashes of its tokens, and its version."""
    return {"_id": known.key.id, **msgspec.to_builtins(known), "key": without_defaults(known.key)}


def known_key(document: Document) -> KnownKey | None:
    """Return the API key that a document holds; None, logged, where another version wrote what cannot be believed."""
    try:
        return msgspec.convert({name: value for name, value in document.items() if name != "_id"}, KnownKey)
    except msgspec.ValidationError as error:
        log.error("api_key_not_understood", api_key=str(document["_id"])[:64], reason=str(error)[:200])
        return None


def history_entry(
    key: str, action: str, actor: str, *, before: str = "", after: str = "", detail: str = ""
) -> Document:
    """Return an entry of the history, of now."""
    at_ms = int(time.time() * 1000)
    told = {"before": before, "after": after, "detail": detail}
    return {"key": key, "action": action, "actor": actor, "at_ms": at_ms, **told}


def lease_document(stored: StoredLease) -> Document:
    """Return a lease's document, renewed now."""
    return {
        "_id": stored.lease.instance_id,
        "lease": stored.lease.SerializeToString(),
        "by": stored.by,
        "renewal": stored.renewal,
        "renewed_at": datetime.now(UTC),
    }


def stored_lease(document: Document) -> StoredLease:
    """Return the lease that a document holds."""
    return StoredLease(Lease.FromString(document["lease"]), document["by"], document["renewal"])
