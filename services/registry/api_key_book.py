"""The API keys in memory, as MongoDB has them, in the order of their changes: read from here, written there first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from chassis import logs, metrics
from chassis.errors import NotFound
from services.registry.api_keys import ApiKey, KnownKey, Terms, issue, revoke, rotate
from services.registry.documents import history_entry
from services.registry.feed import Feed
from services.registry.store import Store

log = logs.logger()
API_KEYS = metrics.Gauge("servoir_registry_api_keys", "API keys that are not revoked")


class Changed(NamedTuple):
    """What changed up to a revision: keys that are not revoked, and the ids of those that are, or are gone."""

    revision: int
    keys: list[KnownKey]
    removed: list[str]


class _Entry(NamedTuple):
    revision: int
    known: KnownKey | None  # None: it was deleted


def _unix_ms() -> int:
    return int(time.time() * 1000)


class ApiKeyBook:
    """Every key, whichever process made it; reads need no MongoDB, writes raise Unavailable without it.

    ``feed`` gives the number of the newest revision; ``since`` gives what one who knows an older one has to learn, at
    a cost that grows with what changed, not with how many keys there are.
    """

    def __init__(self, store: Store, now_ms: Callable[[], int] = _unix_ms) -> None:
        self._store = store
        self._now_ms = now_ms
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the last changed last
        self._changing = threading.Lock()
        self.feed: Feed[int] = Feed(0)

    def keys(self, client_id: str = "") -> list[ApiKey]:
        """Return the keys of a client, or of all, oldest first, revoked ones too."""
        with self._changing:
            known = [entry.known for entry in self._entries.values() if entry.known]
        keys = [it.key for it in known if client_id in ("", it.key.client_id)]
        return sorted(keys, key=lambda key: (key.created_at_ms, key.id))

    def since(self, revision: int) -> Changed:
        """Return what changed after *revision*; after 0, all there is."""
        keys, removed = [], []
        with self._changing:
            for key_id, entry in reversed(self._entries.items()):
                if entry.revision <= revision:
                    break
                if entry.known and not entry.known.key.revoked_at_ms:
                    keys.append(entry.known)
                else:
                    removed.append(key_id)
            return Changed(self.feed.value, keys, removed if revision else [])

    def create(self, terms: Terms, *, actor: str) -> tuple[ApiKey, str]:
        """Store a new key; return it and its token."""
        known, token = issue(terms, actor=actor, now_ms=self._now_ms())
        self._put(known, "create", actor)
        return known.key, token

    def rotate(self, id: str, *, grace_s: float, actor: str) -> tuple[ApiKey, str]:
        """Give a key a new token and return both; raises NotFound, WrongState."""
        known, token = rotate(self._known(id), grace_s=grace_s, now_ms=self._now_ms())
        self._put(known, "rotate", actor)
        return known.key, token

    def revoke(self, id: str, *, actor: str) -> ApiKey:
        """End a key and return it; one that is revoked already stays as it is. Raises NotFound."""
        known = self._known(id)
        if not known.key.revoked_at_ms:
            known = revoke(known, now_ms=self._now_ms())
            self._put(known, "revoke", actor)
        return known.key

    def learn(self, id: str, known: KnownKey | None) -> None:
        """Take over a key as it is in MongoDB now, None where it is not there; an older version than ours is not."""
        with self._changing:
            self._take(id, known)

    def load(self, stored: Iterable[KnownKey]) -> None:
        """Take over all keys, after a start or after MongoDB was away."""
        there = {known.key.id: known for known in stored}
        with self._changing:
            for key_id in self._entries.keys() - there.keys():
                self._take(key_id, None)
            for key_id, known in there.items():
                self._take(key_id, known)

    def _known(self, id: str) -> KnownKey:
        """Return a key; one that another process has just made is found too."""
        entry = self._entries.get(id)
        known = entry.known if entry else None
        known = known or self._store.api_key(id)
        if known is None:
            raise NotFound(f"no such API key: {id[:64]}")
        return known

    def _put(self, known: KnownKey, action: str, actor: str) -> None:
        key = known.key
        self._store.put_api_key(known, history_entry(f"sv_{key.id}", action, actor, after=key.client_id))
        log.info("api_key_changed", api_key=key.id, client_id=key.client_id, action=action, actor=actor)
        self.learn(key.id, known)

    def _take(self, id: str, known: KnownKey | None) -> None:
        entry = self._entries.get(id)
        before = entry.known if entry else None
        if known == before or (known and before and known.version < before.version):
            return
        API_KEYS.inc(_live(known) - _live(before))
        revision = self.feed.value + 1
        self._entries[id] = _Entry(revision, known)
        self._entries.move_to_end(id)
        self.feed.put(revision)


def _live(known: KnownKey | None) -> bool:
    return known is not None and not known.key.revoked_at_ms
