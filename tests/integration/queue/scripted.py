"""One model on the scripts alone: what its owner and a gateway do, a call each."""

from __future__ import annotations

from typing import Any

import redis

from services.queue import broker, keys
from services.queue.answers import Answer, read_reply, result_of
from services.queue.broker import Item, Meta, Offered
from services.queue.scripts import run

MODEL = "acme-script-1"


def own(connection: redis.Redis, me: str = "me", token: str = "t1") -> None:
    assert run(connection, broker.acquire(MODEL, me, token))[0] == b"owned"
    run(connection, broker.publish_plan(MODEL, me, token, "v", b"{}"))


def enqueue(connection: redis.Redis, number: int, left_s: float = 60.0, **how: Any) -> str:
    reply = offer(connection, number, left_s, **how)
    assert reply[0] == b"accepted", reply
    return str(reply[1].decode())


def offer(connection: redis.Redis, number: int, left_s: float = 60.0, *, items: int = 1, **how: Any) -> list[Any]:
    to = keys.replies_key("gateway")
    metas = [
        Meta(
            request_id=f"r{number}",
            client=how.get("client", "c"),
            model=MODEL,
            task="bbox",
            priority=how.get("priority", "interactive"),
            to=to,
            request=number,
            index=index,
            size=7,
            payload=keys.payload_key(MODEL, to, number, index),
        )
        for index in range(items)
    ]
    args = {
        "priority": metas[0].priority,
        "client": metas[0].client,
        "weight": how.get("weight", 1.0),
        "to": to,
        "request": number,
        "bytes": 7 * items,
        "idem": "",
        "print": "",
        "window_ms": 1000,
        "version": how.get("version", "v"),
        "max_ahead": how.get("max_ahead", 1000),
        "max_items": how.get("max_items", 1000),
        "max_bytes": 10**6,
        "left_ms": round(left_s * 1000),
        "by_ms": 0,
    }
    offered = [Offered(meta, how.get("payload", b"payload")) for meta in metas]
    reply: list[Any] = run(connection, broker.enqueue(MODEL, args, offered))
    return reply


def claim(connection: redis.Redis, most: int = 8, me: str = "me", token: str = "t1", **how: Any) -> broker.Claimed:
    return broker.read_claim(run(connection, broker.claim(MODEL, me, token, [0.0] * most, **how)))


def finish(connection: redis.Redis, item: Item, status: int = 200, body: bytes = b"{}", **how: Any) -> int:
    result = result_of(item.id, Answer(status=status, body=body, attempts=1))
    call = broker.finish(MODEL, [(result, item.meta_json, body)], quarantine_items=2, quarantine_bytes=1000, **how)
    return int(run(connection, call)[0])


def give_back(connection: redis.Redis, item: Item, history: str = "", later_s: float = 0.0) -> list[Any]:
    """Give a claimed item back; with a *history* it is a suspect."""
    reply: list[Any] = run(connection, broker.requeue(MODEL, "me", "t1", [(item.id, later_s, history)]))
    return reply


def replies(connection: redis.Redis) -> list[tuple[int, int, Answer]]:
    frames: Any = connection.lrange(keys.replies_key("gateway"), 0, -1)
    return [read_reply(frame) for frame in frames]
