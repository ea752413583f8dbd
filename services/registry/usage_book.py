"""Usage in MongoDB: sums of seconds for a while, then of days, then nothing. What is rolled up is counted once."""

from __future__ import annotations

from typing import Any

from chassis.errors import Conflict
from chassis.rpc.registry_pb2 import GetUsageRequest, UsageRow
from services.registry.store import Store
from services.registry.usage import usage_pipeline, usage_rows
from services.registry.usage_days import day_sums, days_pipeline

_BATCHES_AT_ONCE = 200
_TIMEOUT_S = 30.0


class UsageBook:
    """The sums of usage, and how they become coarser."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rows(self, request: GetUsageRequest, groups: list[str] | tuple[str, ...]) -> list[UsageRow]:
        """Return sums by *groups*, of one moment: nothing is missed or counted twice while days are made."""
        batches, days = self._store.db.usage_batches, self._store.db.usage_days
        with (
            self._store.asked("usage", timeout_s=_TIMEOUT_S),
            self._store.db.client.start_session(snapshot=True) as session,
        ):
            recent = list(batches.aggregate(usage_pipeline(request, groups), session=session, allowDiskUse=True))
            past = list(days.aggregate(days_pipeline(request, groups), session=session, allowDiskUse=True))
        return usage_rows([*recent, *past], groups)

    def roll_up(self, before_ms: int) -> bool:
        """Make days of some of the batches that are wholly before *before_ms*; return whether there may be more.

        Raises Conflict where another did the same just now.
        """
        with self._store.asked("usage", timeout_s=_TIMEOUT_S):
            old = self._store.db.usage_batches.find(_wholly_before(before_ms), {"sums": 1})
            batches = list(old.limit(_BATCHES_AT_ONCE))
            if batches:
                with self._store.db.client.start_session() as session:
                    session.with_transaction(lambda session: self._replace(batches, session))
        return len(batches) == _BATCHES_AT_ONCE

    def _replace(self, batches: list[dict[str, Any]], session: Any) -> None:
        ids = [batch["_id"] for batch in batches]
        gone = self._store.db.usage_batches.delete_many({"_id": {"$in": ids}}, session=session)
        if gone.deleted_count != len(ids):
            raise Conflict("usage: another rolls it up just now")
        added = {name: {"$setOnInsert": about, "$inc": sums} for name, (about, sums) in day_sums(batches).items()}
        self._store.upsert_all(self._store.db.usage_days, added, session)

    def forget(self, before_ms: int) -> None:
        """Forget what was used on days that were over at *before_ms*."""
        with self._store.asked("usage", timeout_s=_TIMEOUT_S):
            self._store.db.usage_batches.delete_many(_wholly_before(before_ms))
            self._store.db.usage_days.delete_many({"answered_at_ms": {"$lt": before_ms}})


def _wholly_before(moment_ms: int) -> dict[str, Any]:
    later = {"$elemMatch": {"answered_at_ms": {"$gte": moment_ms}}}
    return {"sums.answered_at_ms": {"$lt": moment_ms}, "sums": {"$not": later}}
