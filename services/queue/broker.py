"""The queue in Redis: its keys, and its verbs.

Keys, each beginning with ``servoir:queue:``. Of one model (``M`` is its key):

====================  ========  ==========================================================================
M:requests            stream    all items that were accepted and not answered: ``meta`` (JSON: Meta), and ``spot``
                                (Spot: in which shared memory its payload is as well; '' in none).
                                An entry's id is the item's id. Its group ``dispatchers`` knows, in its list of
                                pending entries, which dispatcher has claimed which items.
M:payload:<item>      string    the payload of an item that is in ``requests``.
M:order:first         zset      ids to go before all others: given back by a dispatcher. Score: when accepted, ms.
M:order:interactive   zset      ids waiting in this class; score: start tag of fair queueing (enqueue.lua).
M:order:batch         zset      the same for the other class.
M:flows:interactive   zset      clients with items waiting; score: finish tag of their last one.
M:flows:batch         zset
M:retries             zset      suspects: ids that a server failed with; score: not to be tried before, ms.
M:history             hash      id of a suspect: JSON list of its failures.
M:deadlines           zset      id: deadline, ms.
M:state               hash      ``owner`` and ``token`` (which dispatcher feeds it), ``plan`` (its version),
                                ``bytes`` (of the payloads), ``hungry`` (wake the owner at the next item: ``any``, or
                                one of a ``newcomer``), ``v:<class>`` (virtual time), ``credit`` (of the batch
                                class), ``refused:<class>:<reason>`` (counts).
M:quarantine          stream    items that ended three servers: ``meta``, ``payload``, ``history``; bounded.
====================  ========  ==========================================================================

Of all models:

====================  ========  ==========================================================================
plans                 hash      model: JSON Plan (plan.py), what admission reckons with; published by its owner.
leases                string    the leases that a dispatcher saw last (protobuf: LeasesSnapshot).
dispatchers           zset      dispatcher: when its last beat runs out, ms.
wake:<dispatcher>     channel   a model that has work for this dispatcher, sent once when it had found none.
released              channel   a model that has no owner now.
usage:open            list      answered images (JSON lists: UsageRow of usage.py), oldest first.
usage:sealed:<id>     list      a batch of them on its way to the registry.
usage:batches         zset      id of such a batch: when to send it again, ms.
quota:<API key>       string    what the key has used of its quota (quota.lua); expires when all of it is back.
replies:<gateway>     list      answers for one gateway process (answers.py); expires when nobody reads it.
job:<id>              hash      an asynchronous request: ``client``, ``model``, ``about`` (its gateway's own text),
                                ``count`` and ``left`` (its items), ``created`` and ``done`` (ms), ``keep_ms``,
                                ``item:<index>`` (the id of one without an answer), ``answer:<index>``; expires
                                *keep_ms* after its last answer, or after its deadline.
idem:<hash>           hash      an ``Idempotency-Key`` of a client: ``print`` (of what it asked), ``running:<index>``,
                                ``answer:<index>``, ``waiter:<request>:<list or job>``, ``job`` (the last one's id);
                                expires with its window.
====================  ========  ==========================================================================

An item is at each moment in one of these: an order, ``retries``, or the pending entries of one dispatcher. It leaves
the stream in the one step that puts its answer on its gateway's list, or into its job: whoever removes the entry has
answered it. The one clock is that of Redis; deadlines come as seconds left and go as seconds left.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from chassis.shared_memory import Spot
from services.queue.answers import Result
from services.queue.scripts import Call, Script
from services.queue.spots import read_spot, write_spot

PREFIX = "servoir:queue:"
PLANS = f"{PREFIX}plans"
LEASES = f"{PREFIX}leases"
RELEASED = f"{PREFIX}released"
CLASSES = ("interactive", "batch")
_OF_A_MODEL = {
    "requests": "requests",
    "order_first": "order:first",
    "order_interactive": "order:interactive",
    "order_batch": "order:batch",
    "flows_interactive": "flows:interactive",
    "flows_batch": "flows:batch",
    "retries": "retries",
    "history": "history",
    "deadlines": "deadlines",
    "state": "state",
    "quarantine": "quarantine",
}
_OF_ALL = {
    "plans": "plans",
    "dispatchers": "dispatchers",
    "wake": "wake:",
    "released": "released",
    "usage_open": "usage:open",
    "usage_sealed": "usage:sealed:",
    "usage_batches": "usage:batches",
    "quota": "quota:",
    "job": "job:",
}
_ENQUEUE = Script("enqueue", _OF_ALL, _OF_A_MODEL, knows=["ahead", "quota"], works_when_full=False)
_CLAIM = Script("claim", _OF_ALL, _OF_A_MODEL)
_FINISH = Script("finish", _OF_ALL, _OF_A_MODEL)
_REQUEUE = Script("requeue", _OF_ALL, _OF_A_MODEL)
_ACQUIRE = Script("acquire", _OF_ALL, _OF_A_MODEL)
_RELEASE = Script("release", _OF_ALL, _OF_A_MODEL)
_PUBLISH_PLAN = Script("publish_plan", _OF_ALL, _OF_A_MODEL)
_SWEEP = Script("sweep", _OF_ALL, _OF_A_MODEL)
_RETIRE = Script("retire", _OF_ALL, _OF_A_MODEL)
_DROP_QUARANTINED = Script("drop_quarantined", _OF_ALL, _OF_A_MODEL)
_SHOW_JOB = Script("show_job", _OF_ALL, _OF_A_MODEL, knows=["ahead", "job"])
_CANCEL_JOB = Script("cancel_job", _OF_ALL, _OF_A_MODEL, knows=["ahead", "job"])
_BEAT = Script("beat", _OF_ALL)
_SEAL_USAGE = Script("seal_usage", _OF_ALL)
_USAGE_SENT = Script("usage_sent", _OF_ALL)
_ALL = (PREFIX,)
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
    """An item on its way into the queue, and where its payload is as well, for model servers that can read it there."""

    meta: Meta
    payload: Payload
    spot: Spot | None = None


class Item(NamedTuple):
    """An item that was claimed: *left_s* until its deadline and *wait_s* in the queue, at the moment of the claim.

    Its payload is in Redis, and at *spot*, where there is one.
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

    *late* items were answered 504 instead; *suspects* wait, the next for *next_suspect_s* more. Where the order is
    *drained*, the owner is woken by who enqueues next.
    """

    items: list[Item]
    fenced: bool = False
    late: int = 0
    suspects: int = 0
    next_suspect_s: float = 0.0
    drained: bool = False


_METAS = msgspec.json.Decoder(Meta)


def key(model: str, name: str) -> str:
    """Return the key of a model's *name* (as in the table above)."""
    return f"{PREFIX}{model}:{name}"


def wake_channel(dispatcher: str) -> str:
    """Return the channel on which a dispatcher is woken."""
    return f"{PREFIX}wake:{dispatcher}"


def payload_key(model: str, to: str, request: int, index: int) -> str:
    """Return the key of an item's payload, by the place that its answer has."""
    return f"{PREFIX}{model}:payload:{to.removeprefix(PREFIX)}:{request}:{index}"


def replies_key(gateway: str) -> str:
    """Return the list of a gateway process's answers."""
    return f"{PREFIX}replies:{gateway}"


def job_key(job: str) -> str:
    """Return the key of an asynchronous request."""
    return f"{PREFIX}job:{job}"


def idempotency_key(digest: str) -> str:
    """Return the key that holds what is known under an idempotency key."""
    return f"{PREFIX}idem:{digest}"


def _keys(model: str) -> tuple[str, ...]:
    return (PREFIX, f"{PREFIX}{model}:")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def encode_meta(meta: Meta) -> bytes:
    """Return a meta as the scripts take it."""
    return msgspec.json.encode(meta)


def enqueue(model: str, args: dict[str, Any], items: Sequence[Offered]) -> Call:
    """Accept the items of one request, all or none (enqueue.lua says what *args* are and what comes back)."""
    parts: list[bytes] = []
    for item in items:
        meta = item.meta
        parts += encode_meta(meta), meta.payload.encode(), b"%d" % meta.size, write_spot(item.spot)
    fills = [(item.meta.payload, item.payload) for item in items]
    return _ENQUEUE.call(_keys(model), {"model": model, **args}, *parts, fills=fills)


def claim(
    model: str,
    me: str,
    token: str,
    limits_s: Sequence[float],
    *,
    least_s: float = 0.0,
    choice: Choice = "next",
    newcomers: bool = False,
) -> Call:
    """Take up to ``len(limits_s)`` items; ``limits_s[k-1]`` is what each item of a batch of k must have left.

    With *newcomers* the owner is woken when one comes.
    """
    args = {
        "me": me,
        "token": token,
        "most": len(limits_s),
        "limits_ms": [_ms(limit) for limit in limits_s],
        "least_ms": _ms(least_s),
        "choice": choice,
        "newcomers": newcomers,
    }
    return _CLAIM.call(_keys(model), args)


def read_claim(reply: list[Any]) -> Claimed:
    """Return what a claim gave."""
    if reply[0] == b"fenced":
        return Claimed([], fenced=True)
    _, late, suspects, next_ms, drained, *entries = reply
    items = [
        Item(
            entry.decode(),
            _METAS.decode(meta),
            meta,
            read_spot(spot),
            left / 1000,
            wait / 1000,
            history.decode(),
        )
        for entry, meta, spot, left, wait, history in entries
    ]
    return Claimed(items, late=late, suspects=suspects, next_suspect_s=next_ms / 1000, drained=bool(drained))


def finish(model: str, results: Sequence[tuple[Result, bytes, bytes]], *, quarantine_length: int = 0) -> Call:
    """Answer items, each a result with its item's meta (JSON) and its body; the statuses come back, 0: had one."""
    parts = [part for _, meta, body in results for part in (meta, body)]
    args = {"results": [result for result, _, _ in results], "quarantine_length": quarantine_length}
    return _FINISH.call(_keys(model), args, *parts)


def requeue(model: str, me: str, token: str, items: Sequence[tuple[str, float, str]]) -> Call:
    """Give claimed items back: each an id, the seconds before it may be tried, its history ('' if not to blame)."""
    back = [{"id": item, "delay_ms": _ms(delay_s), "history": history} for item, delay_s, history in items]
    return _REQUEUE.call(_keys(model), {"me": me, "token": token, "items": back})


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
    """Say that a dispatcher lives for *ttl_s* more (0: it leaves)."""
    return _BEAT.call(_ALL, {"me": me, "ttl_ms": _ms(ttl_s)})


def seal_usage(me: str, *, most: int = 2000, retry_s: float = 30.0) -> Call:
    """Take a batch of usage records, which is this dispatcher's for *retry_s*, or as long as it lives."""
    args = {"me": me, "batch_id": f"{me}.{uuid.uuid4().hex}", "most": most, "retry_ms": _ms(retry_s)}
    return _SEAL_USAGE.call(_ALL, args)


def usage_sent(batch_id: str) -> Call:
    """Forget a batch that the registry has."""
    return _USAGE_SENT.call(_ALL, {"batch_id": batch_id})
