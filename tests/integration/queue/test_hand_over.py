"""A feeder at the moments that matter: what it holds, or is just about to get, while it is told of something else."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.queue import broker, keys
from services.queue.batch import Batch
from services.queue.call import PredictCall
from services.queue.feeder import Feeder
from services.queue.pipe import Pipe
from services.queue.requests import AsyncQueueClient
from services.queue.scripts import run_async
from services.queue.settings import Settings
from tests.fakes import MODEL, FakeModelServer, HashServicer, lease, prediction_of
from tests.parts import until

_LONG_S = 20.0


class SlowPipe(Pipe):
    """A connection whose calls wait while it is on hold: ``waiting`` are so many, and the first of them ``waits``."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.waits = asyncio.Event()
        self._held, self._turns = False, list[asyncio.Future[None]]()

    @property
    def waiting(self) -> int:
        return len(self._turns)

    def hold(self) -> None:
        self._held = True

    def let_go(self, *, last_first: bool = False) -> None:
        self._held = False
        for turn in self._turns[:: -1 if last_first else 1]:
            turn.set_result(None)
        self._turns.clear()

    async def call(self, *command: Any) -> Any:
        if self._held:
            self._turns.append(asyncio.get_running_loop().create_future())
            self.waits.set()
            await self._turns[-1]
        return await super().call(*command)


class World:
    """One feeder of a dispatcher that lives, its connection, and a gateway's client."""

    def __init__(self, url: str) -> None:
        self.redis, self.pipe, self.client = Pipe(url), SlowPipe(url), AsyncQueueClient(url)
        self.feeder = Feeder(MODEL, "first", self.pipe, Settings(redis_url=url))

    async def own(self) -> None:
        self.client.start()
        for dispatcher in ("first", "second"):
            await run_async(self.redis, broker.beat(dispatcher, 60.0))
        self.feeder.start()
        await until(lambda: self.feeder.owns)

    async def ask(self, payload: bytes) -> tuple[int, bytes]:
        call = PredictCall(model_key=MODEL, task="bbox", request_id="r", timeout_s=_LONG_S)
        [answer] = await self.client.predict([payload], call)
        return answer.status, answer.body

    async def asked(self, payload: bytes = b"one") -> asyncio.Task[tuple[int, bytes]]:
        """Ask; return as soon as the request lies in Redis."""
        asking = asyncio.create_task(self.ask(payload))
        while not await self.redis.call("XLEN", keys.of_model(MODEL, "requests")):
            await asyncio.sleep(0.01)
        return asking

    async def close(self) -> None:
        self.pipe.let_go()
        await self.client.close()
        await self.redis.close()
        await self.pipe.close()


def within(url: str, story: Callable[[World], Awaitable[None]]) -> None:
    async def told() -> None:
        world = World(url)
        await world.own()
        try:
            await story(world)
        finally:
            await world.close()

    asyncio.run(told())


def test_what_it_may_still_hold_after_a_loss_of_redis_goes_to_the_next(redis_url: str) -> None:
    async def story(world: World) -> None:
        world.feeder.lose()
        await world.feeder.stop(1.0)

        reply = await run_async(world.redis, broker.acquire(MODEL, "second", uuid.uuid4().hex, []))
        assert reply[0] == b"owned"

    within(redis_url, story)


def test_a_lease_that_ends_while_a_batch_is_claimed_for_it_costs_no_answer(redis_url: str) -> None:
    going, staying = FakeModelServer(HashServicer()), FakeModelServer(HashServicer())

    async def story(world: World) -> None:
        world.feeder.follow([lease("going", going.address)])
        await world.feeder.publish_plan()
        world.pipe.hold()
        asking = await world.asked()
        world.feeder.wake()
        await world.pipe.waits.wait()

        world.feeder.follow([lease("staying", staying.address)])
        await asyncio.sleep(0.3)  # longer than the feeder waits between two looks at whether it is idle
        world.pipe.let_go()

        assert await asking == (200, prediction_of(b"one"))
        await world.feeder.stop(1.0)

    within(redis_url, story)
    going.stop()
    staying.stop()


def test_what_is_lost_while_the_model_is_asked_for_again_is_tried_again(redis_url: str) -> None:
    ending, staying = FakeModelServer(HashServicer()), FakeModelServer(HashServicer())

    async def story(world: World) -> None:
        world.feeder.follow([lease("ending", ending.address)])
        await world.feeder.publish_plan()
        await run_async(world.redis, broker.requeue(MODEL, "nobody", "", []))  # Redis knows the script from now on
        asking = await world.asked(b"hold")
        world.feeder.wake()
        await until(lambda: ending.servicer.batches)

        world.pipe.hold()
        world.feeder.lose()
        await world.pipe.waits.wait()  # it asks for the model, and says what runs
        ending.stop()
        await until(lambda: world.pipe.waiting == 2)  # what ran is to go back, in the name of one who owns nothing
        staying.servicer.gate.set()
        world.feeder.follow([lease("staying", staying.address)])
        world.pipe.let_go(last_first=True)

        assert await asking == (200, prediction_of(b"hold"))
        await world.feeder.stop(1.0)

    within(redis_url, story)
    ending.servicer.gate.set()
    staying.stop()


def test_it_stops_while_it_asks_for_its_model_again(redis_url: str) -> None:
    async def story(world: World) -> None:
        world.pipe.hold()
        world.feeder.lose()
        await world.pipe.waits.wait()
        stopping = asyncio.create_task(world.feeder.stop(3600.0))
        await asyncio.sleep(0)
        world.pipe.let_go()

        await asyncio.wait_for(stopping, _LONG_S)

    within(redis_url, story)


def test_a_fault_in_the_dispatcher_is_a_failure_of_the_batch_and_no_more(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeModelServer(HashServicer())
    sort, faults = Batch._sort, iter([RuntimeError("a fault")])

    def sort_or_fail(batch: Batch, *arguments: Any) -> None:
        for fault in faults:
            raise fault
        sort(batch, *arguments)

    monkeypatch.setattr(Batch, "_sort", sort_or_fail)

    async def story(world: World) -> None:
        world.feeder.follow([lease("replica", server.address)])
        await world.feeder.publish_plan()
        asking = await world.asked()
        world.feeder.wake()

        assert await asking == (200, prediction_of(b"one"))
        await world.feeder.stop(1.0)

    within(redis_url, story)
    server.stop()
