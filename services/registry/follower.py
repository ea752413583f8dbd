"""Follows MongoDB's change stream, so that what any registry process changes is known to all within milliseconds."""

from __future__ import annotations

import threading

from chassis import logs, metrics
from chassis.errors import ServoirError, Unavailable
from services.registry.api_key_book import ApiKeyBook
from services.registry.documents import Change
from services.registry.lease_book import LeaseBook
from services.registry.models import Models
from services.registry.store import Changes, Store

log = logs.logger()
MONGODB_UP = metrics.Gauge("servoir_registry_mongodb_up", "1 while changes in MongoDB can be followed")
_RETRY_S = 0.5


class Follower:
    """A thread that keeps models, leases and API keys as MongoDB has them; says whether it can.

    It opens the stream before it reads everything, so that no change falls between; a change may be seen twice.
    """

    def __init__(self, store: Store, models: Models, leases: LeaseBook, keys: ApiKeyBook) -> None:
        self._store = store
        self._models = models
        self._leases = leases
        self._keys = keys
        self._stopped = threading.Event()
        self._there = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="change-follower", daemon=True)

    @property
    def there(self) -> bool:
        """Whether MongoDB is there, as far as is known."""
        return self._there.is_set()

    def start(self, timeout_s: float = 15.0) -> None:
        """Start, and return when everything has been read for the first time; raises Unavailable."""
        self._thread.start()
        if not self._there.wait(timeout_s):
            raise Unavailable("MongoDB was reached, but could not be read: its log, or ours, says why")

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._store.changes() as changes:
                    self._load()
                    self._take(changes)
            except ServoirError as error:
                self._lose(error.detail)
            except Exception:
                log.exception("follower_failed")
                self._lose("a bug of ours")
            self._stopped.wait(_RETRY_S)

    def _load(self) -> None:
        self._store.there = True
        self._models.reload()
        self._leases.load(self._store.leases())
        self._keys.load(self._store.api_keys())
        self._there.set()
        MONGODB_UP.set(1)
        log.info("mongodb_followed")

    def _lose(self, reason: str) -> None:
        if self._there.is_set():
            log.error("mongodb_lost", reason=reason)
        self._there.clear()
        self._store.there = False
        MONGODB_UP.set(0)

    def _take(self, changes: Changes) -> None:
        while not self._stopped.is_set():
            asked_at = self._leases.clock()
            change = changes.next()
            if change is not None:
                self._tell(change)
            self._leases.heard(asked_at)

    def _tell(self, change: Change) -> None:
        if change.collection == "api_keys":
            self._keys.learn(change.id, self._store.api_key(change.id))
        elif change.collection != "leases":
            self._models.reload()
        elif change.lease or not self._store.has_lease(change.id):  # else deleted, but announced again since
            self._leases.learn(change.id, change.lease)
