"""Payloads that are in shared memory alone, and are wanted in Redis: their gateways are asked to store them there.

A payload stays with its gateway alone where every server of its model could read it in memory when it was accepted. It
is wanted in Redis when another server is to run it, or a second one after one failed with it. The gateway is there, and
asked on its list of answers, as long as anybody waits for the item's answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from services.queue import broker
from services.queue.answers import Answer, problem
from services.queue.broker import Item
from services.queue.pipe import Pipe
from services.queue.scripts import run_async
from services.queue.verdicts import Verdicts

_WAIT_S = 2.0
_FIRST_LOOK_S, _LONGEST_PAUSE_S = 0.002, 0.1


async def recall(redis: Pipe, model: str, items: Sequence[Item]) -> Verdicts:
    """Have the payloads of *items* stored, and give those back; one that nobody stores is answered 503.

    Its gateway is gone then, and nobody waits for the answer. Raises RedisError.
    """
    await run_async(redis, broker.want(model, items))
    verdicts, missing = Verdicts(model), list(items)
    until_s, pause_s = time.monotonic() + _WAIT_S, _FIRST_LOOK_S
    while missing and time.monotonic() < until_s:
        await asyncio.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
        payloads = await redis.call("MGET", *(item.meta.payload for item in missing))
        for item, payload in zip(missing, payloads, strict=True):
            if payload:
                verdicts.again(item)
        missing = [item for item, payload in zip(missing, payloads, strict=True) if payload == b""]
    for item in missing:
        body = problem("Service unavailable", "its gateway ended, and its picture with it")
        verdicts.answer(item, Answer(status=503, body=body, wait_s=item.wait_s))
    return verdicts
