"""The dispatcher: keeps its heartbeat, owns its share of the models, and runs a feeder for each.

Several may run; each model is fed by one of them at a time, so that what could be one batch is not split. When
one dies, its models are taken over as soon as its last beat has run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

from redis.exceptions import RedisError

from chassis import logs
from chassis.background import Background
from chassis.errors import ServoirError
from chassis.rpc import registry_pb2 as pb
from services.queue import broker, keys, lease_memory, metrics
from services.queue.far_clock import FarClock
from services.queue.feeder import Feeder
from services.queue.ownership import owned_by
from services.queue.pipe import Pipe, Subscription
from services.queue.scripts import run_async
from services.queue.settings import Settings
from services.queue.usage import Record, send_usage
from services.queue.wakes import read_wake

log = logs.logger()
_SWEEP_S = 1.0
_RELEASED = keys.RELEASED.encode()
_USAGE_S = 2.0
_LONGEST_USAGE_PAUSE_S = 30.0


class Dispatcher:
    """One dispatcher process. *leases* yields all live leases, again after every change; *record* takes usage."""

    def __init__(self, settings: Settings, leases: AsyncIterator[list[pb.Lease]], record: Record) -> None:
        self.id = uuid.uuid4().hex
        self._settings, self._leases_source, self._record = settings, leases, record
        self._redis = Pipe(settings.redis_url)
        channels = keys.wake_channel(self.id), keys.RELEASED
        self._wakes = Pipe(
            settings.redis_url, subscription=Subscription(channels, begun=self._wake_all, told=self._woken)
        )
        self._feeders: dict[str, Feeder] = {}
        self._handing_over: set[str] = set()
        self._hand_overs = Background()
        self._leases: list[pb.Lease] | None = None
        self._beat_now = asyncio.Event()
        self._beat_in_s = settings.dispatcher_beat_s
        self._leaving = False
        self._clock = FarClock()
        """That of Redis."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set; then finish what runs and leave."""
        log.info("dispatcher_started", dispatcher=self.id)
        with contextlib.suppress(RedisError):
            self._leases = await lease_memory.recall(self._redis)
        loops = [
            asyncio.create_task(loop)
            for loop in (
                self._follow_leases(),
                self._again(self._beat, self._until_beat),
                self._again(self._listen, lambda: asyncio.sleep(_SWEEP_S)),
                self._again(self._sweep, lambda: asyncio.sleep(_SWEEP_S)),
                self._send_usage(),
            )
        ]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *loops], return_when=asyncio.FIRST_COMPLETED)
        await self._leave(loops)
        for loop in loops:
            if not loop.cancelled() and (error := loop.exception()):
                raise error

    async def _leave(self, loops: list[asyncio.Task[None]]) -> None:
        """Finish what runs, while the heart still beats; then let others have the models."""
        log.info("dispatcher_leaving", dispatcher=self.id)
        self._leaving = True
        await _end(loops[2:])
        staying = self._feeders.keys() - self._handing_over
        await asyncio.gather(*(self._stop(model) for model in staying), self._hand_overs.finish())
        await _end(loops)
        try:
            await run_async(self._redis, broker.beat(self.id, 0))
        except RedisError:
            log.warning("left_without_word", dispatcher=self.id)
        await self._redis.close()
        await self._wakes.close()
        log.info("dispatcher_left", dispatcher=self.id)

    # -- loops -------------------------------------------------------------------------------------

    async def _again(self, work: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[object]]) -> None:
        """Do *work* for ever, with a *pause* between; a loss of Redis only makes the pause longer, and jittered."""
        failures = 0
        while True:
            try:
                await work()
                failures = 0
            except RedisError as error:
                failures += 1
                if failures == 1:
                    log.warning("redis_lost", dispatcher=self.id, reason=f"{type(error).__name__}: {error}")
                await asyncio.sleep(min(0.5, 0.05 * 2**failures) * random.uniform(0.5, 1.0))
                continue
            await pause()

    async def _until_beat(self) -> None:
        """Wait for the next beat: its time, or a reason to beat before it."""
        try:
            async with asyncio.timeout(self._beat_in_s):
                await self._beat_now.wait()
        except TimeoutError:
            pass
        self._beat_now.clear()

    async def _beat(self) -> None:
        asked_s = time.monotonic()
        reply = await run_async(self._redis, broker.beat(self.id, self._settings.dispatcher_ttl_s))
        lapsed, alive, planned, (seconds, microseconds) = reply
        self._clock.learn(int(seconds) + int(microseconds) / 1e6, asked_s, time.monotonic())
        left_ms = {alive[i].decode(): float(alive[i + 1]) for i in range(0, len(alive), 2)}
        # The moment at which another's beat runs out is the moment to take its models over.
        soonest_s = min((left for who, left in left_ms.items() if who != self.id), default=1e9) / 1000
        self._beat_in_s = min(self._settings.dispatcher_beat_s, soonest_s + 0.005)
        if lapsed:
            for feeder in self._feeders.values():
                feeder.lose()
        models = {model.decode() for model in planned} | {lease.model_key for lease in self._leases or ()}
        for model in models:
            metrics.begin(model)
        if not self._leaving:
            self._own(owned_by(self.id, models, left_ms))

    def _own(self, wanted: set[str]) -> None:
        retired = {model for model, feeder in self._feeders.items() if feeder.retired}
        for model in (self._feeders.keys() - wanted | retired) - self._handing_over:
            self._handing_over.add(model)
            self._hand_overs.start(self._stop(model))
        for model in wanted - self._feeders.keys():
            feeder = Feeder(model, self.id, self._redis, self._settings)
            self._feeders[model] = feeder
            self._tell_leases(feeder)
            feeder.start()
        for feeder in self._feeders.values():
            if not feeder.owns:
                feeder.wake()

    async def _stop(self, model: str) -> None:
        """Hand a model over: nothing new is claimed, what runs is finished; tried again until Redis has been told.

        One that leaves need not: without its beat, others take its models.
        """
        while True:
            try:
                await self._feeders[model].stop(self._settings.shutdown_grace_s)
                break
            except RedisError as error:
                log.warning("model_not_handed_over", model=model, reason=type(error).__name__)
            if self._leaving:
                break
            await asyncio.sleep(self._settings.dispatcher_beat_s)
        del self._feeders[model]
        self._handing_over.discard(model)
        metrics.forget(model)

    async def _listen(self) -> None:
        """See to it that those who enqueue, and dispatchers that leave, are heard."""
        await self._wakes.call("PING")

    def _wake_all(self) -> None:
        """Look at everything, after a time in which nobody was heard: items, too, that were granted and not told."""
        for feeder in self._feeders.values():
            feeder.lose()

    def _woken(self, channel: bytes, text: bytes) -> None:
        if channel == _RELEASED:
            self._beat_now.set()
            return
        model, grant = read_wake(text)
        if owned := self._feeders.get(model):
            if grant:
                owned.granted(grant, self._clock)
            else:
                owned.enqueued()

    async def _follow_leases(self) -> None:
        async for leases in self._leases_source:
            self._leases = leases
            for feeder in self._feeders.values():
                self._tell_leases(feeder)
            self._beat_now.set()
            try:
                await asyncio.gather(*(feeder.publish_plan() for feeder in self._feeders.values()))
                await lease_memory.remember(self._redis, leases)
            except RedisError:
                log.warning("leases_not_remembered", leases=len(leases))

    def _tell_leases(self, feeder: Feeder) -> None:
        if self._leases is not None:
            feeder.follow([lease for lease in self._leases if lease.model_key == feeder.model])

    async def _sweep(self) -> None:
        await asyncio.gather(*(feeder.sweep() for feeder in list(self._feeders.values())))

    async def _send_usage(self) -> None:
        pause_s = _USAGE_S
        while True:
            try:
                while await send_usage(self._redis, self.id, self._record):
                    pause_s = _USAGE_S
            except (RedisError, ServoirError) as error:
                log.warning("usage_not_sent", reason=f"{type(error).__name__}: {error}")
                pause_s = min(_LONGEST_USAGE_PAUSE_S, pause_s * 2)
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.0))


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they are done: one that is just opening a connection may take a cancellation for a failure."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
