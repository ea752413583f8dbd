"""A request into the queue, and its answers out of it, or into a job: for one event loop."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from chassis.background import Background
from chassis.errors import BadRequest, Conflict, DeadlineExceeded, ServoirError, TooBusy, Unavailable
from chassis.shared_memory import Region, Spot
from services.queue import admission, broker, keys
from services.queue.answers import Answer, problem, result_of
from services.queue.broker import Offered, Payload
from services.queue.call import PredictCall
from services.queue.connections import RETRY_AFTER_S, translated
from services.queue.offers import items_of, print_of
from services.queue.pipe import Pipe
from services.queue.plan import NO_PLAN, Plan, read_plan
from services.queue.quotas import Claim, read_standing, refusal
from services.queue.refusals import Refusal, Refusals, Who, lasts_s
from services.queue.replies import LOST, Replies, Waiting
from services.queue.scripts import Call, run_async

_IDEMPOTENCY_WINDOW_S = 24 * 3600.0
_LAST_ANSWERS_S = 0.5
_PLANS_TO_TRY = 5
_AWAY = "the queue is away"
_LATE = Answer(status=504, body=problem("Deadline exceeded", "the deadline passed before an answer"))
_LEFT = Answer(status=499, body=problem("Client closed request", "its client left before an answer"))


class AsyncQueueClient:
    """Puts requests into the queue and waits for their answers, inside one event loop.

    At most *max_waiting* requests wait at a time. An ``Idempotency-Key`` is remembered for *idempotency_window_s*.
    While a request waits, its payloads are in *region*, where model servers of this machine read them. They are in
    Redis too where some server of the model cannot, or where there is an ``Idempotency-Key``.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        max_waiting: int = 1000,
        idempotency_window_s: float = _IDEMPOTENCY_WINDOW_S,
        region: Region | None = None,
    ) -> None:
        self._redis = Pipe(redis_url)
        self._replies = Replies(redis_url)
        self._plans: dict[str, Plan] = {}
        self._refusals = Refusals()
        self._background = Background()
        self._max_waiting, self._region = max_waiting, region
        self._window_s = idempotency_window_s

    def start(self) -> None:
        """Start listening for answers, in the loop that runs."""
        self._replies.start()

    async def close(self) -> None:
        """Stop; requests that wait are answered 503."""
        await self._replies.close()
        await self._redis.close()
        if self._region:
            self._region.close()

    def ready(self) -> bool:
        """Whether the queue can be reached."""
        return not self._replies.lost

    async def predict(self, payloads: Sequence[Payload], call: PredictCall) -> list[Answer]:
        """Return one answer for each payload, in order; all of them are accepted, or none.

        What is not predicted has the status of its problem; 504 after the call's time.

        Raises, where nothing was accepted, TooBusy (a queue is full, the quota is used up, or the deadline could not be
        met), Unavailable (no model server, or Redis is away), DeadlineExceeded (it passed before, or on the way to
        Redis), or Conflict (the idempotency key came with another request before). Also raises Unavailable where Redis
        went away before any answer came: whether it runs is unknown then. So it is of an item that is answered 503.

        Who is cancelled waits no more, and what has not begun by then never runs, unless it has an idempotency key.
        """
        if not payloads:
            return []
        self._check(call)
        deadline_s = time.monotonic() + call.timeout_s
        waiting = self._replies.expect(len(payloads))
        spots, ids = list[Spot | None](), list[str]()
        try:
            if self._region:
                spots.extend(map(self._region.put, payloads))
            items = items_of(call, payloads, spots, to=self._replies.key, request=waiting.number)
            waiting.wanted = lambda index: self._background.start(self._store(items[index]))
            ids = [item.decode() for item in (await self._enqueue(call, items, deadline_s))[1:]]
            waiting.entries = [item.meta.payload if entry else "" for item, entry in zip(items, ids, strict=True)]
            return await self._answers(waiting, items, ids, deadline_s)
        except asyncio.CancelledError:
            if ids and not call.idempotency_key:
                self._background.start(self._end(waiting, items, ids, _LEFT))
            raise
        finally:
            self._replies.forget(waiting)
            self._free(spots)

    async def submit(self, payloads: Sequence[Payload], call: PredictCall, *, about: bytes, keep_s: float) -> str:
        """Return the id of a job that holds one answer for each payload, as they come; nobody waits for it.

        It is kept for *keep_s* after its last answer, with *about*, a JSON text of the caller's own. The same payloads
        under the same idempotency key are the same job. The rest is as in ``predict``, which raises the same.
        """
        self._check(call)
        job = uuid.uuid4().hex
        items = items_of(call, payloads, [], to=keys.job_key(job), request=0)
        kept = {"job": job, "about": about.decode(), "keep_ms": round(keep_s * 1000)}
        reply = await self._enqueue(call, items, time.monotonic() + call.timeout_s, kept)
        return str(reply[1].decode()) if reply[0] == b"same job" else job

    async def _store(self, item: Offered) -> None:
        """Put a payload into Redis, as long as its item is there: a server is to have it that cannot read it here."""
        with suppress(RedisError):
            await self._redis.call("SET", item.meta.payload, item.payload, "XX")

    def _free(self, spots: Sequence[Spot | None]) -> None:
        """Let others have the room; what still runs of the request is told that its payload is gone."""
        for spot in spots:
            if spot and self._region:
                self._region.free(spot)

    def _check(self, call: PredictCall) -> None:
        """Raise what is known without asking Redis."""
        if not 0 < call.weight < float("inf"):
            raise BadRequest(f"not a weight: {call.weight}")
        if call.priority not in broker.CLASSES:
            raise BadRequest(f"no such priority: {call.priority} (there are {', '.join(broker.CLASSES)})")
        if call.timeout_s <= 0:
            raise DeadlineExceeded("the deadline passed before the request was whole")
        if self._replies.waiting >= self._max_waiting:
            raise TooBusy("too many requests wait at this gateway", retry_after_s=RETRY_AFTER_S)
        if self._replies.lost:
            raise Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S)
        if not call.idempotency_key:
            self._refuse_again(call)

    # -- in ----------------------------------------------------------------------------------------

    async def _enqueue(
        self,
        call: PredictCall,
        items: list[Offered],
        deadline_s: float,
        job: dict[str, Any] | None = None,
    ) -> list[bytes]:
        """Return what enqueue.lua says of a request that it takes, without what is left of a quota."""
        args = self._arguments(call, items, job or {})
        for _ in range(_PLANS_TO_TRY):
            plan = self._plans.get(call.model_key, NO_PLAN)
            left_s = deadline_s - time.monotonic()
            allowed = admission.max_ahead(plan, left_s)
            limits = {
                "version": plan.version,
                "max_ahead": allowed,
                "max_items": plan.max_items,
                "max_bytes": plan.max_bytes,
                "left_ms": round(left_s * 1000),
                "by_ms": math.floor((self._replies.clock.at_s(deadline_s) or 0.0) * 1000),
            }
            # An answer under an idempotency key is somebody's even after this gateway; so is its payload then.
            memory = "" if call.idempotency_key else plan.memory
            reply: list[Any] = await self._run(broker.enqueue(call.model_key, {**args, **limits}, items, memory=memory))
            if reply[0] != b"replan":
                self._raise_if_refused(reply, call.who, plan, allowed)
                return _taken(reply, call.claim)
            if not reply[1]:
                break
            self._plans[call.model_key] = read_plan(reply[1])
        raise _refusal(NO_PLAN, "no_replica", 0, 0)

    def _raise_if_refused(self, reply: list[Any], who: Who, plan: Plan, allowed: int) -> None:
        """Raise what enqueue.lua says against a request's time or place, and hold a refusal that will last."""
        if reply[0] == b"late":
            raise DeadlineExceeded("the deadline passed on the way into the queue")
        if reply[0] == b"refused":
            reason, ahead = reply[1].decode(), reply[2]
            if reason == "deadline":
                self._hold(who, plan, ahead, allowed)
            raise _refusal(plan, reason, ahead, allowed)

    def _arguments(self, call: PredictCall, items: list[Offered], job: dict[str, Any]) -> dict[str, Any]:
        """Return what enqueue.lua is told of a request, whatever the plan."""
        meta = items[0].meta
        args = {
            "priority": call.priority,
            "client": call.client_id,
            "weight": call.weight,
            "to": meta.to,
            "request": meta.request,
            "bytes": sum(item.meta.size for item in items),
            "idem": meta.idem,
            "print": print_of(items) if meta.idem else "",
            "window_ms": round(self._window_s * 1000),
            **job,
        }
        return {**args, "quota": call.claim.quota} if call.claim else args

    def _refuse_again(self, call: PredictCall) -> None:
        """Raise TooBusy where Redis said so a moment ago, and cannot say anything else yet."""
        plan = self._plans.get(call.model_key, NO_PLAN)
        allowed = admission.max_ahead(plan, call.timeout_s)
        if held := self._refusals.again(call.who, plan.version, allowed, time.monotonic()):
            raise _refusal(plan, "deadline", held.ahead, allowed)

    def _hold(self, who: Who, plan: Plan, ahead: int, allowed: int) -> None:
        """Refuse the same without asking, for a moment; then tell Redis how often that was."""
        held_s = lasts_s(ahead, allowed, plan.drain_rate)
        if not held_s:
            return

        def tell() -> None:
            if repeated := self._refusals.forget(who):
                self._background.start(self._count(who, repeated))

        self._refusals.note(who, Refusal(plan.version, ahead, allowed, time.monotonic() + held_s))
        asyncio.get_running_loop().call_later(held_s, tell)

    async def _count(self, who: Who, refused: int) -> None:
        with suppress(RedisError):
            field = f"refused:{who.priority}:deadline"
            await self._redis.call("HINCRBY", keys.of_model(who.model, "state"), field, refused)

    async def _run(self, call: Call) -> Any:
        with translated():
            return await run_async(self._redis, call)

    # -- out ---------------------------------------------------------------------------------------

    async def _answers(self, waiting: Waiting, items: list[Offered], ids: list[str], deadline_s: float) -> list[Answer]:
        if await waiting.wait(deadline_s - time.monotonic()):
            return _complete(waiting, _LATE)
        if not self._replies.lost or time.monotonic() >= deadline_s:
            if await self._end(waiting, items, ids, _LATE):
                await waiting.wait(_LAST_ANSWERS_S)
            return _complete(waiting, _LATE)
        if not any(waiting.answers):
            raise Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S)
        return _complete(waiting, LOST)

    async def _end(self, waiting: Waiting, items: list[Offered], ids: list[str], answer: Answer) -> bool:
        """Give what has none an *answer* in Redis, so that nobody else does; return whether all are on our list then.

        What was answered meanwhile keeps its own. Of an item that runs under an idempotency key others have the answer.
        """
        left = [place for place, known in enumerate(waiting.answers) if known is None and ids[place]]
        metas = [items[place].meta for place in left]
        results = [
            (result_of(ids[place], answer), broker.encode_meta(meta), answer.body)
            for place, meta in zip(left, metas, strict=True)
        ]
        try:
            await self._run(broker.finish(items[0].meta.model, results))
        except ServoirError:
            return False
        return len(left) == sum(known is None for known in waiting.answers)


def _taken(reply: list[Any], claim: Claim | None) -> list[Any]:
    """Return what enqueue.lua says of a request that it takes, and tell *claim* what is left; raise where it does not.

    Raises Conflict, and TooBusy where it is over its quota.
    """
    if reply[0] == b"conflict":
        raise Conflict("this idempotency key came with another request before")
    if claim and reply[0] == b"over quota":
        claim.standing = read_standing(reply[3])
        raise refusal(claim.quota, reply[1].decode(), reply[2])
    if claim:
        claim.standing = read_standing(reply.pop())
    return reply


def _complete(waiting: Waiting, missing: Answer) -> list[Answer]:
    """Return all answers, *missing* for those that did not come."""
    return [answer or missing for answer in waiting.answers]


_REFUSALS = {
    "count": "the model's queue is full",
    "bytes": "the model's queue holds too many bytes",
    "deadline": "the wait would be longer than the deadline",
}


def _refusal(plan: Plan, reason: str, ahead: int, allowed: int) -> ServoirError:
    retry_after_s = admission.retry_after_s(plan, reason, ahead, allowed)
    if reason == "no_replica":
        return Unavailable("no model server is alive for this model", retry_after_s=retry_after_s)
    return TooBusy(_REFUSALS[reason], retry_after_s=retry_after_s)
