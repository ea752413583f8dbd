"""The queue's verbs in Redis, on the keys of ``keys.py``; each is one script, and one atomic step.

The one clock is that of Redis; deadlines come as seconds left and go as seconds left.
"""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from chassis.shared_memory import Spot
from services.queue import keys
from services.queue.answers import Result
from services.queue.anticipation import NOBODY, Awaited
from services.queue.scripts import Call, Script
from services.queue.spots import read_spot, write_spot
from services.queue.wanted import write_wanted

CLASSES = ("interactive", "batch")
_ENQUEUE = Script("enqueue", keys.OF_ALL, keys.OF_A_MODEL, knows=["ahead", "quota"], works_when_full=False)
_CLAIM = Script("claim", keys.OF_ALL, keys.OF_A_MODEL)
_FINISH = Script("finish", keys.OF_ALL, keys.OF_A_MODEL, knows=["quarantine"])
_REQUEUE = Script("requeue", keys.OF_ALL, keys.OF_A_MODEL)
_WANT = Script("want", keys.OF_ALL, keys.OF_A_MODEL)
_ACQUIRE = Script("acquire", keys.OF_ALL, keys.OF_A_MODEL)
_RELEASE = Script("release", keys.OF_ALL, keys.OF_A_MODEL)
_PUBLISH_PLAN = Script("publish_plan", keys.OF_ALL, keys.OF_A_MODEL)
_SWEEP = Script("sweep", keys.OF_ALL, keys.OF_A_MODEL)
_RETIRE = Script("retire", keys.OF_ALL, keys.OF_A_MODEL)
_DROP_QUARANTINED = Script("drop_quarantined", keys.OF_ALL, keys.OF_A_MODEL, knows=["quarantine"])
_SHOW_JOB = Script("show_job", keys.OF_ALL, keys.OF_A_MODEL, knows=["ahead", "job"])
_CANCEL_JOB = Script("cancel_job", keys.OF_ALL, keys.OF_A_MODEL, knows=["ahead", "job"])
_BEAT = Script("beat", keys.OF_ALL)
_SEAL_USAGE = Script("seal_usage", keys.OF_ALL)
_USAGE_SENT = Script("usage_sent", keys.OF_ALL)
_ALL = (keys.PREFIX,)
Payload = bytes | memoryview
Choice = Literal["next", "suspect", "newcomer"]
"""What a claim takes: what is next, or one item out of turn.

A suspect is an item that a server failed with before. A newcomer's client has had less than its share of late, while
others wait who have had theirs.
"""


class Meta(msgspec.Struct, frozen=True):
    """What an item is, but its bytes, which are under the key *payload*.

    *to* is its gateway's list, or its job; *request* and *index* its place in it.
    """

    request_id: str
    client: str
    model: str
    task: str
    priority: str
    to: str
    request: int
    index: int
    size: int
    payload: str = ""
    idem: str = ""


class Offered(NamedTuple):
    """An item on its way into the queue, and where its payload is, for model servers that can read it there."""

    meta: Meta
    payload: Payload
    spot: Spot | None = None


class Item(NamedTuple):
    """An item that was claimed: *left_s* until its deadline and *wait_s* in the queue, at the moment of the claim.

    Its payload is at *spot*, where there is one, and in Redis, unless all servers could read it there when it came.
    """

    id: str
    meta: Meta
    meta_json: bytes
    spot: Spot | None
    left_s: float
    wait_s: float
    history: str


class Claimed(NamedTuple):
    """What a claim gave, or that this dispatcher is the model's owner no more (*fenced*).

    *late* items were answered 504 instead; *suspects* wait, the next for *next_suspect_s* more. So many are *waiting*
    still, *passed* of them left to a quicker server; where none is, the owner is woken by who enqueues next. *held*:
    they wait for more.
    """

    items: list[Item]
    fenced: bool = False
    late: int = 0
    suspects: int = 0
    next_suspect_s: float = 0.0
    waiting: int = 0
    passed: int = 0
    held: bool = False


_METAS = msgspec.json.Decoder(Meta)


def _keys(model: str) -> tuple[str, ...]:
    return (keys.PREFIX, keys.of_model(model, ""))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def decode_meta(text: bytes) -> Meta:
    """Return what ``encode_meta`` was given."""
    return _METAS.decode(text)


def encode_meta(meta: Meta) -> bytes:
    """Return a meta as the scripts take it."""
    return msgspec.json.encode(meta)


def enqueue(model: str, args: dict[str, Any], items: Sequence[Offered], *, memory: str = "") -> Call:
    """Accept the items of one request, all or none (enqueue.lua says what *args* are and what comes back).

    A payload that is in the shared *memory* is not stored: all servers of the model read it there.
    """
    parts: list[bytes] = []
    for item in items:
        meta = item.meta
        parts += encode_meta(meta), meta.payload.encode(), b"%d" % meta.size, write_spot(item.spot)
    fills = [(item.meta.payload, item.payload) for item in items if not (item.spot and item.spot.memory == memory)]
    return _ENQUEUE.call(_keys(model), {"model": model, **args}, *parts, fills=fills)


def claim(
    model: str,
    me: str,
    token: str,
    limits_s: Sequence[float],
    *,
    least_s: float = 0.0,
    alone_s: float = math.inf,
    choice: Choice = "next",
    newcomers: bool = False,
    standing_s: float = 0.0,
    awaited: Awaited = NOBODY,
) -> Call:
    """Take up to ``len(limits_s)`` items; ``limits_s[k-1]`` is what each item of a batch of k must have left.

    An item that has less, but *alone_s* and more, is left to another server: the one that would have it first takes so
    long for it. With *newcomers* the owner is woken when one comes. With *standing_s* this becomes a standing claim
    where nothing is there: the next item that has so long left is claimed as it comes, and told with the wake. Where
    those *awaited* are worth it, and all who wait have the time, nothing is taken; the owner is woken once they came.
    """
    args = {
        "me": me,
        "token": token,
        "most": len(limits_s),
        "limits_ms": [_ms(limit) for limit in limits_s],
        "least_ms": _ms(least_s),
        "alone_ms": _ms(min(alone_s, limits_s[0])),
        "choice": choice,
        "newcomers": newcomers,
        "standing_ms": math.ceil(1000 * standing_s),
        "enough": awaited.enough,
        "returning": awaited.returning,
        "age_ms": math.ceil(1000 * awaited.age_s),
        "within_ms": math.ceil(1000 * awaited.within_s),
        "free": awaited.free,
    }
    return _CLAIM.call(_keys(model), args)


def read_claim(reply: list[Any]) -> Claimed:
    """Return what a claim gave."""
    if reply[0] == b"fenced":
        return Claimed([], fenced=True)
    _, late, suspects, next_ms, waiting, passed, held, *entries = reply
    items = [
        Item(
            entry.decode(),
            decode_meta(meta),
            meta,
            read_spot(spot),
            left / 1000,
            wait / 1000,
            history.decode(),
        )
        for entry, meta, spot, left, wait, history in entries
    ]
    return Claimed(
        items,
        late=late,
        suspects=suspects,
        next_suspect_s=next_ms / 1000,
        waiting=waiting,
        passed=passed,
        held=bool(held),
    )


def finish(
    model: str,
    results: Sequence[tuple[Result, bytes, bytes]],
    *,
    me: str = "",
    token: str = "",
    standing_s: float = 0.0,
    quarantine_items: int = 0,
    quarantine_bytes: int = 0,
) -> Call:
    """Answer items, each a result with its item's meta (JSON) and its body; the statuses come back, 0: had one.

    The model's quarantine keeps at most *quarantine_items* with *quarantine_bytes* in all, the newest. With
    *standing_s* the owner makes a standing claim, as ``claim`` does, unless something came meanwhile.
    """
    parts = [part for _, meta, body in results for part in (meta, body)]
    args = {
        "results": [result for result, _, _ in results],
        "me": me,
        "token": token,
        "standing_ms": math.ceil(1000 * standing_s),
        "quarantine_items": quarantine_items,
        "quarantine_bytes": quarantine_bytes,
    }
    return _FINISH.call(_keys(model), args, *parts)


def requeue(model: str, me: str, token: str, items: Sequence[tuple[str, float, str]]) -> Call:
    """Give claimed items back: each an id, the seconds before it may be tried, its history ('' if not to blame)."""
    back = [{"id": item, "delay_ms": _ms(delay_s), "history": history} for item, delay_s, history in items]
    return _REQUEUE.call(_keys(model), {"me": me, "token": token, "items": back})


def want(model: str, items: Sequence[Item]) -> Call:
    """Ask the gateways of *items* to store their payloads in Redis."""
    lines = defaultdict[str, list[str]](list)
    for item in items:
        lines[item.meta.to].append(write_wanted(item.meta.request, item.meta.index))
    return _WANT.call(_keys(model), {"lines": lines})


def acquire(model: str, me: str, token: str, running: Sequence[str] = ()) -> Call:
    """Become or stay a model's owner under a new *token*; gives [held] or [owned, items taken over]."""
    return _ACQUIRE.call(_keys(model), {"me": me, "token": token, "running": list(running)})


def release(model: str, me: str, token: str) -> Call:
    """Stop being a model's owner, at once."""
    return _RELEASE.call(_keys(model), {"me": me, "token": token, "model": model})


def publish_plan(model: str, me: str, token: str, version: str, plan: bytes) -> Call:
    """Publish a model's plan for admission."""
    args = {"me": me, "token": token, "model": model, "version": version, "plan": plan.decode()}
    return _PUBLISH_PLAN.call(_keys(model), args)


def sweep(model: str, most: int = 200) -> Call:
    """Answer up to *most* late items 504 and describe the queue; with 0 it only describes."""
    return _SWEEP.call(_keys(model), {"most": most})


def retire(model: str, me: str, token: str) -> Call:
    """Forget a model that no server serves any more, unless somebody waits for it."""
    return _RETIRE.call(_keys(model), {"me": me, "token": token, "model": model})


def read_view(view: bytes) -> dict[str, Any]:
    """Return the description of a queue that a sweep gives (sweep.lua names its fields)."""
    found: dict[str, Any] = msgspec.json.decode(view)
    return found


def drop_quarantined(model: str, ids: Sequence[str]) -> Call:
    """Remove these items from a model's quarantine; none named: all."""
    return _DROP_QUARANTINED.call(_keys(model), {"ids": list(ids)})


def show_job(job: str, client: str, model: str) -> Call:
    """Show a job to its client (job.lua says what comes back)."""
    return _SHOW_JOB.call(_keys(model), {"job": job, "client": client, "model": model})


def cancel_job(job: str, client: str, model: str) -> Call:
    """Cancel what waits of a client's job; gives how many items those were, and how the job is now."""
    return _CANCEL_JOB.call(_keys(model), {"job": job, "client": client, "model": model})


def beat(me: str, ttl_s: float) -> Call:
    """Say that a dispatcher lives for *ttl_s* more (0: it leaves); beat.lua says what comes back."""
    return _BEAT.call(_ALL, {"me": me, "ttl_ms": _ms(ttl_s)})


def seal_usage(me: str, *, most: int = 2000, retry_s: float = 30.0) -> Call:
    """Take a batch of usage records, which is this dispatcher's for *retry_s*, or as long as it lives."""
    args = {"me": me, "batch_id": f"{me}.{uuid.uuid4().hex}", "most": most, "retry_ms": _ms(retry_s)}
    return _SEAL_USAGE.call(_ALL, args)


def usage_sent(batch_id: str) -> Call:
    """Forget a batch that the registry has."""
    return _USAGE_SENT.call(_ALL, {"batch_id": batch_id})
