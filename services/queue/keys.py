"""The queue's keys in Redis.

Each begins with ``servoir:queue:``. Of one model (``M`` is its key):

====================  ========  ==========================================================================
M:requests            stream    all items that were accepted and not answered: ``meta`` (JSON: Meta), and ``spot``
                                (Spot: in which shared memory its payload is; '' in none).
                                An entry's id is the item's id. Its group ``dispatchers`` knows, in its list of
                                pending entries, which dispatcher has claimed which items.
M:payload:<item>      string    the payload of an item that is in ``requests``; empty where that is in shared
                                memory alone.
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
                                one of a ``newcomer``; or once so many wait), ``standing`` (its claim on that item,
                                under a token: the ms that it must have left), ``v:<class>`` (virtual time),
                                ``credit`` (of the batch class), ``refused:<class>:<reason>`` (counts).
M:quarantine          stream    items that ended three servers: ``meta``, ``payload``, ``history``; bounded.
M:quarantine:bytes    string    how large its payloads are together.
====================  ========  ==========================================================================

Of all models:

====================  ========  ==========================================================================
plans                 hash      model: JSON Plan (plan.py), what admission reckons with; published by its owner.
leases                string    the leases that a dispatcher saw last (protobuf: LeasesSnapshot).
dispatchers           zset      dispatcher: when its last beat runs out, ms.
wake:<dispatcher>     channel   a model that has work for this dispatcher, sent once when it had found none; with the
                                item, where its standing claim got that (wakes.py).
released              channel   a model that has no owner now.
usage:open            list      answered images (JSON lists: UsageRow of usage.py), oldest first.
usage:sealed:<id>     list      a batch of them on its way to the registry.
usage:batches         zset      id of such a batch: when to send it again, ms.
quota:<API key>       string    what the key has used of its quota (quota.lua); expires when all of it is back.
replies:<gateway>     list      answers for one gateway process (answers.py), and payloads that are wanted of it
                                (wanted.py); expires when nobody reads it.
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
answered it.
"""

from __future__ import annotations

PREFIX = "servoir:queue:"
PLANS = f"{PREFIX}plans"
LEASES = f"{PREFIX}leases"
RELEASED = f"{PREFIX}released"
OF_A_MODEL = {
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
    "quarantine_bytes": "quarantine:bytes",
}
OF_ALL = {
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


def of_model(model: str, name: str) -> str:
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
