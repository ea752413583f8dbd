"""A model is handed over also by a dispatcher that has just lost sight of Redis, and knows not what it still holds."""

from __future__ import annotations

import asyncio
import uuid

from services.queue import broker
from services.queue.feeder import Feeder
from services.queue.pipe import Pipe
from services.queue.scripts import run_async
from services.queue.settings import Settings

MODEL = "acme-hash-1"


async def _owner_after_a_loss(redis_url: str) -> bytes:
    """Let one dispatcher lose its token and stop; return what the next is answered when it asks for the model."""
    settings, redis = Settings(redis_url=redis_url), Pipe(redis_url)
    for dispatcher in ("first", "second"):
        await run_async(redis, broker.beat(dispatcher, 60.0))
    feeder = Feeder(MODEL, "first", redis, settings)
    feeder.start()
    async with asyncio.timeout(20):
        while not feeder.token:
            await asyncio.sleep(0.01)

    feeder.lose()
    await feeder.stop(1.0)

    reply = await run_async(redis, broker.acquire(MODEL, "second", uuid.uuid4().hex, []))
    await redis.close()
    return bytes(reply[0])


def test_what_it_may_still_hold_goes_to_the_next(redis_url: str) -> None:
    assert asyncio.run(_owner_after_a_loss(redis_url)) != b"held"
