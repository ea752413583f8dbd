"""Feeds the model servers of one model: claims batches as they get free, sends them, answers.

A dispatcher runs one feeder for each model that it owns. Work-conserving: a free server gets at once what is there,
and one more batch waits at each server, so that it never waits for us. The exception is a moment in which those who
were just answered are about to ask again (anticipation.py).

One client's flood does not hold up another's request: a newcomer's item goes to a server that is full as its guest,
one at a time, and is run at once beside the batches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

from redis.exceptions import RedisError

from chassis import logs
from chassis.background import Background
from chassis.rpc import registry_pb2 as pb
from services.queue import broker, metrics, routing
from services.queue.anticipation import NOBODY, Anticipation, Awaited
from services.queue.batch import Batch
from services.queue.batching import limits_s
from services.queue.broker import Choice, Claimed
from services.queue.far_clock import FarClock
from services.queue.pipe import Pipe
from services.queue.publisher import Publisher
from services.queue.replica import Replica
from services.queue.replicas import Replicas
from services.queue.scripts import Call, run_async
from services.queue.settings import Settings
from services.queue.settler import Settler, pause_s
from services.queue.suspects import Suspects
from services.queue.sweeper import Sweeper
from services.queue.tenure import Tenure
from services.queue.trust import Trust
from services.queue.wakes import Grant

log = logs.logger()


class Feeder:
    """The one who feeds *model*, as long as the dispatcher *me* owns it."""

    def __init__(self, model: str, me: str, pipe: Pipe, settings: Settings) -> None:
        self.model = model
        self._tenure = Tenure(model, me, pipe)
        self._redis = pipe
        self._payload_pipe = Pipe(settings.redis_url)
        """What payloads come through: large ones hold up no other model's calls."""
        self._replicas = Replicas(model, opened=self.wake)
        self._publisher = Publisher(self._tenure, self._replicas, pipe, settings)
        self._suspects = Suspects(due=self.wake)
        self._trust = Trust()
        self._anticipation = Anticipation()
        self._settler = Settler(self._tenure, pipe, settings, self._suspects, self._trust)
        self._sweeper = Sweeper(
            self._tenure, pipe, self._replicas, self._trust, self._publisher, settings.queue_retire_s
        )
        self._running: set[str] = set()
        self._batches = Background()
        self._woken = asyncio.Event()
        self._wakes = 0
        self._drained = False
        """Whether nothing waits; who enqueues next wakes us."""
        self._newcomer = False
        """Whether a newcomer may wait."""
        self._stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._life: asyncio.Task[None] | None = None
        self.retired = False
        """Whether it has ended, because nobody serves the model."""

    @property
    def owns(self) -> bool:
        """Whether nobody else may feed the model."""
        return bool(self._tenure.token)

    # -- what the dispatcher tells it ------------------------------------------------------------

    def wake(self) -> None:
        """There may be something to claim."""
        self._wakes += 1
        self._drained = False
        self._woken.set()

    def enqueued(self) -> None:
        """The first item is there since nothing waited, or one of a newcomer."""
        self._newcomer = not self._drained
        self.wake()

    def granted(self, grant: Grant, clock: FarClock) -> None:
        """Our standing claim got an item; *clock* is that of Redis."""
        if self._stopping or grant.token != self._tenure.token:
            return  # whoever owns the model next has it: it is put back with all that is claimed and not at work
        here_s = time.monotonic()
        turn, now_s = self._replicas.first_free(without=(), sparing=False), clock.at_s(here_s)
        if turn and now_s is not None:
            self._send(turn.replica, [grant.item(now_s)], here_s, "next")
        else:
            self.lose()

    def _freed(self) -> None:
        """There may be a server that is free."""
        self._woken.set()

    def lose(self) -> None:
        """The ownership may have gone to another: claim nothing before it is sure again."""
        self._tenure.lose()
        self.wake()

    def follow(self, leases: Sequence[pb.Lease]) -> None:
        """Take in which model servers are alive now."""
        self._replicas.follow(leases)

    def start(self) -> None:
        """Begin to feed, as soon as no other dispatcher does."""
        self._life = asyncio.create_task(self._run())

    async def stop(self, grace_s: float) -> None:
        """Claim nothing more, let what runs finish, and let another have the model.

        What is not finished after *grace_s* goes back to the queue. Raises RedisError where that could not be said.
        """
        self._stopping = True
        self.wake()
        try:
            async with asyncio.timeout(grace_s):
                if self._life:
                    await self._life
                await self._batches.finish()
        except TimeoutError:
            log.warning("batches_left", model=self.model, items=len(self._running))
        # A token that was lost with Redis may still stand there under our name, and would keep all others off.
        if self.owns or (not self.retired and await self._acquire()):
            await self._tenure.release()
        await self._payload_pipe.close()
        await self._replicas.close()

    # -- its life ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Feed until it is stopped; whatever Redis does meanwhile."""
        failures = 0
        while not self._stopping:
            try:
                if self.owns or await self._acquire():
                    await self._feed()
                failures = 0
            except Exception as error:
                # What a lost reply would have said is unknown: start again under a new token.
                self._tenure.lose()
                failures += 1
                if isinstance(error, RedisError):
                    log.warning("redis_lost", model=self.model, reason=f"{type(error).__name__}: {error}")
                else:
                    log.exception("feeding_failed", model=self.model)
                await asyncio.sleep(pause_s(failures))
                continue
            if not self._stopping:
                await self._woken.wait()

    async def _acquire(self) -> bool:
        """Become the owner, unless another is; return whether we are."""
        self._woken.clear()
        taken_over = await self._tenure.acquire(self._running)
        if taken_over is None:
            return False
        self._sweeper.forget()
        self._publisher.forget()
        self._drained = False
        self._suspects.expect(1, 0.0)
        metrics.REDELIVERIES.labels(self.model).inc(taken_over)
        log.info("model_owned", model=self.model, taken_over=taken_over)
        await self.publish_plan()
        return True

    async def _feed(self) -> None:
        """Claim until nothing is there, or no server is to get more now."""
        self._woken.clear()
        too_slow = set[Replica]()
        while not self._stopping and self.owns and (self._suspects or not self._drained):
            replica, choice = self._place(too_slow)
            if replica is None or (self._drained and choice != "suspect"):
                return
            with replica.chosen():
                claimed = await self._claim(replica, choice)
            if claimed.passed and not claimed.items:
                too_slow.add(replica)
            elif choice == "next" and not claimed.items:
                return

    def _place(self, too_slow: Collection[Replica]) -> tuple[Replica | None, Choice]:
        """Return the replica that is to get something now, or None, and what; what waits is not for those *too_slow*.

        A suspect goes to a server that has nothing else. Where one waits for that, the emptiest gets nothing new, and
        none a guest.
        """
        due = self._suspects.due
        if due and (idle := self._replicas.idle()):
            return idle, "suspect"
        turn = self._replicas.first_free(without=too_slow, sparing=due)
        if turn and turn.in_s <= 0:
            return turn.replica, "next"
        if turn:
            self._come_back(turn.in_s)
        return self._replicas.host() if self._newcomer and not due else None, "newcomer"

    def _come_back(self, in_s: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(in_s, self._freed)

    async def _claim(self, replica: Replica, choice: Choice) -> Claimed:
        """Claim a batch for *replica* and send it off."""
        now_s, wakes, newcomer = time.monotonic(), self._wakes, self._newcomer
        self._newcomer = False
        starts_in_s = 0.0 if choice == "newcomer" else routing.free_in_s(replica.load, now_s)
        awaited = self._anticipation.awaited(self._replicas.next_of(replica), now_s) if choice == "next" else NOBODY
        call = self._claim_for(replica, choice, starts_in_s, awaited)
        claimed = broker.read_claim(await run_async(self._redis, call))
        if claimed.fenced:
            log.warning("ownership_lost", model=self.model)
            self.lose()
            return claimed
        self._late(claimed.late)
        self._suspects.expect(claimed.suspects, claimed.next_suspect_s)
        if (choice == "newcomer" and claimed.items) or (choice == "next" and newcomer and not claimed.items):
            self._newcomer = True  # another may be behind it, or it is still there
        if choice == "next":
            self._drained = not claimed.waiting and wakes == self._wakes  # else one came in the meantime
        if claimed.held:
            metrics.HELD.labels(self.model).inc()
            self._come_back(starts_in_s + awaited.within_s)
        if claimed.items:
            self._send(replica, claimed.items, now_s, choice)
        return claimed

    def _claim_for(self, replica: Replica, choice: Choice, starts_in_s: float, awaited: Awaited) -> Call:
        most = replica.batch_size if choice == "next" else 1
        return broker.claim(
            self.model,
            self._tenure.me,
            self._tenure.token,
            limits_s(most, starts_in_s, replica.latency.expected_s),
            least_s=self._replicas.least_s(),
            alone_s=self._replicas.alone_s(but=replica),
            choice=choice,
            newcomers=self._replicas.host() is not None,
            standing_s=self._standing_s() if choice == "next" else 0.0,
            awaited=awaited,
        )

    def _standing_s(self, last: Batch | None = None) -> float:
        """Return what an item must have left that a standing claim gets: 0, for none, while there is more to do.

        Where *last* is answered just now and was a batch of one, nothing else may be at work: what comes in crowds is
        claimed by the batch.
        """
        done = len(last.items) if last else 0
        if done > 1 or len(self._running) > done or self._suspects:
            return 0.0
        return self._replicas.slowest_s()

    def _send(self, replica: Replica, items: list[broker.Item], claimed_at_s: float, choice: Choice) -> None:
        self._running.update(item.id for item in items)
        self._anticipation.came([claimed_at_s - item.wait_s for item in items])
        if is_guest := choice == "newcomer":
            metrics.NEWCOMERS.labels(self.model).inc()
        if choice == "suspect":
            replica.alone = True
        batch = Batch(self.model, replica, items, claimed_at_s, self._payloads, at_once=is_guest)
        number = replica.receive() if is_guest else replica.begin(len(items))
        self._batches.start(self._see_through(batch, replica, number))

    def _late(self, items: int) -> None:
        metrics.late(self.model).inc(items)
        self._trust.late(items)

    async def _payloads(self, items: Sequence[broker.Item]) -> list[bytes | None]:
        """Return the payloads of items; None for one that has its answer."""
        found: list[bytes | None] = await self._payload_pipe.call("MGET", *(item.meta.payload for item in items))
        return found

    async def _see_through(self, batch: Batch, replica: Replica, number: int) -> None:
        settled = False
        try:
            try:
                await batch.run()
            finally:
                replica.end(number)
                self._anticipation.answered(len(batch.verdicts.results), time.monotonic())
                replica.alone = False
                self._freed()
            if replica.breaker.open:
                self._replicas.probe(replica)
            standing_s = self._standing_s(batch) if self._drained else 0.0
            settled = await self._settler.settle(batch.verdicts, standing_s=standing_s)
            batch.tell()
            if batch.missing:
                settled = settled and await self._settler.recall(batch)
        finally:
            self._running.difference_update(item.id for item in batch.items)
            if not settled:
                # Items of ours are nowhere but in our list of pending entries: acquiring anew puts them back.
                self.lose()
            elif batch.verdicts.back or batch.missing:
                self.wake()

    # -- once a second -----------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Answer what is late, and tell operators and gateways how things are."""
        self.wake()
        if self.owns and await self._sweeper.sweep():
            self.retired = self._stopping = True
            self.wake()

    async def publish_plan(self) -> None:
        """Tell the gateways how the model is served, where that has changed."""
        if self.owns:
            await self._publisher.publish(self._trust.share)
