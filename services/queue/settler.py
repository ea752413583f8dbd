"""Writes what became of claimed items: answers, and what is to be tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from redis.exceptions import RedisError

from chassis import logs
from services.queue import broker, metrics
from services.queue.batch import Batch
from services.queue.pipe import Pipe
from services.queue.recall import recall
from services.queue.scripts import run_async
from services.queue.settings import Settings
from services.queue.suspects import Suspects
from services.queue.tenure import Tenure
from services.queue.trust import Trust
from services.queue.verdicts import Verdicts

log = logs.logger()
_TRIES = 30


def pause_s(failures: int) -> float:
    """Return how long to leave Redis alone after so many failures in a row."""
    return min(1.0, 0.05 * 2.0**failures) * random.uniform(0.5, 1.0)


class Settler:
    """Settles items of a model in the name of its owner."""

    def __init__(self, tenure: Tenure, redis: Pipe, settings: Settings, suspects: Suspects, trust: Trust) -> None:
        self._model, self._tenure = tenure.model, tenure
        self._redis, self._settings, self._suspects, self._trust = redis, settings, suspects, trust

    async def settle(self, verdicts: Verdicts, *, standing_s: float = 0.0) -> bool:
        """Write answers and give back what is to be tried again; return whether both were done.

        Both are safe to do twice: an entry that is gone has its answer, one that is back is not ours. With *standing_s*
        a standing claim is made with the answers.
        """
        for failures in range(1, _TRIES + 1):
            try:
                if verdicts.results:
                    await self._answer(verdicts, standing_s)
                if wanted := [item for item in verdicts.suspects if item.spot]:
                    # Another server may run them, and the quarantine keeps their payloads.
                    await run_async(self._redis, broker.want(self._model, wanted))
                return not verdicts.back or await self._requeue(verdicts.back)
            except RedisError:
                await asyncio.sleep(pause_s(failures))
        return False

    async def _answer(self, verdicts: Verdicts, standing_s: float) -> None:
        call = broker.finish(
            self._model,
            verdicts.results,
            me=self._tenure.me,
            token=self._tenure.token,
            standing_s=standing_s,
            quarantine_items=self._settings.quarantine_max_items,
            quarantine_bytes=self._settings.quarantine_max_bytes,
        )
        verdicts.count(await run_async(self._redis, call))
        self._trust.answered(len(verdicts.results))

    async def _requeue(self, back: Sequence[tuple[str, float, str]]) -> bool:
        call = broker.requeue(self._model, self._tenure.me, self._tenure.token, back)
        reply = await run_async(self._redis, call)
        if reply[0] == b"fenced":
            return False
        suspects = [delay_s for _, delay_s, history in back if history]
        if suspects:
            self._suspects.add(suspects)
        return True

    async def recall(self, batch: Batch) -> bool:
        """See to what a batch's server could not have from memory; return whether that was done."""
        log.info("payloads_recalled", model=self._model, replica=batch.replica.instance_id, items=len(batch.missing))
        metrics.payloads(self._model, "recalled").inc(len(batch.missing))
        try:
            verdicts = await recall(self._redis, self._model, batch.missing)
        except RedisError:
            return False
        if batch.unread and verdicts.back:  # who waits for them had not let go of the memory
            batch.replica.cannot_read()
        return await self.settle(verdicts)
