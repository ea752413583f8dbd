"""One batch at one model server: sent, and what became of each of its items."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from redis.exceptions import RedisError

from chassis import logs
from chassis.errors import DeadlineExceeded, NotFound, ServoirError
from chassis.rpc import model_server_pb2 as pb
from chassis.shared_memory import Spot
from services.model_server.client import NotReached, Refused
from services.queue import metrics, retries
from services.queue.answers import Answer, Result, problem, result_of
from services.queue.broker import Item
from services.queue.history import Failure, read_history, write_history
from services.queue.replica import Replica

log = logs.logger()
_GRACE_S = 0.05
_LEAST_S = 0.0001  # on the wire 0 means that there is no deadline
_PATIENCE = 3.0
_PATIENCE_S = 0.25
"""A server whose batch ran into its deadline, so many times and so much longer than expected, is left out."""
PayloadsOf = Callable[[Sequence[Item]], Awaitable[list[bytes | None]]]


class Batch:
    """Items that go to *replica* as one call; *payloads* gets from Redis what it cannot read in shared memory.

    *at_once*: to be run beside what runs there, without waiting for it.

    After ``run``, ``results`` holds the answers to write (result, meta, body), and ``back`` what is to be tried again
    (id, seconds to wait, history; '' where the item is not to blame).
    """

    def __init__(
        self,
        model: str,
        replica: Replica,
        items: list[Item],
        claimed_at_s: float,
        payloads: PayloadsOf,
        *,
        at_once: bool = False,
    ) -> None:
        self.model, self.replica, self.items = model, replica, items
        self.results: list[tuple[Result, bytes, bytes]] = []
        self.back: list[tuple[str, float, str]] = []
        self._claimed_at_s, self._payloads, self._at_once = claimed_at_s, payloads, at_once
        self._sent: list[Item] = []
        self._fetched = 0
        self._elapsed_s = self._service_s = 0.0
        self._patience_s = _PATIENCE * replica.expected_s(len(items)) + _PATIENCE_S

    def _left_s(self, item: Item) -> float:
        return item.left_s - (time.monotonic() - self._claimed_at_s)

    async def run(self) -> None:
        """Send it and sort what comes back; raises nothing: a fault of ours is a failure of what has no answer yet."""
        try:
            await self._run()
        except Exception:
            log.exception("batch_broke", model=self.model, request_ids=[item.meta.request_id for item in self.items])
            settled = {result.id for result, _, _ in self.results} | {item for item, _, _ in self.back}
            for item in self.items:
                if item.id not in settled:
                    self._failed(item, "internal error in the dispatcher")

    async def _run(self) -> None:
        started_s = time.monotonic()
        self._sent = self._in_time()
        if not self._sent:
            return
        longest_s = max(self._left_s(item) for item in self._sent)
        timeout_s = min(longest_s + _GRACE_S, self.replica.stall_s(len(self._sent)))
        try:
            await self.replica.meet()
            response = await self._response(timeout_s)
        except (Refused, NotReached) as error:
            self.replica.failed()
            self._all_back(error.detail)
            return
        except DeadlineExceeded as error:
            if time.monotonic() - started_s >= self._patience_s:
                self.replica.failed()
            self._all_failed(error)
            return
        except ServoirError as error:
            self.replica.failed()
            self._all_failed(error)
            return
        except RedisError as error:
            self._all_back(f"its payloads cannot be read: {error}")
            return
        self._learn(response, time.monotonic() - started_s)
        self._sort(response)

    async def _response(self, timeout_s: float) -> pb.PredictResponse:
        try:
            return await self.replica.client.predict(await self._request(), timeout_s)
        except NotFound as error:
            log.info("payload_not_in_memory", model=self.model, replica=self.replica.instance_id, reason=error.detail)
            self.replica.cannot_read()
        return await self.replica.client.predict(await self._request(), timeout_s)

    async def _fetch(self) -> Mapping[str, bytes]:
        """Return, by item, the payloads that the server cannot read in memory; empty where the item has its answer."""
        memory = self.replica.memory
        far = [item for item in self._sent if not (item.spot and item.spot.memory == memory)]
        self._fetched = len(far)
        payloads = await self._payloads(far) if far else []
        return {item.id: payload or b"" for item, payload in zip(far, payloads, strict=True)}

    def _in_time(self) -> list[Item]:
        """Return what there is time for; the rest, late since it was claimed, is answered so and not sent."""
        in_time = []
        for item in self.items:
            if self._left_s(item) > 0:
                in_time.append(item)
            else:
                self._late(item)
        return in_time

    async def _request(self) -> pb.PredictRequest:
        fetched = await self._fetch()
        return pb.PredictRequest(
            model_key=self.model,
            instance_id=self.replica.instance_id,
            at_once=self._at_once,
            items=[
                pb.Item(
                    id=item.id,
                    request_id=item.meta.request_id,
                    task=item.meta.task,
                    payload=fetched.get(item.id, b""),
                    spot=None if item.id in fetched else _on_wire(item.spot),
                    time_left_s=max(_LEAST_S, self._left_s(item)),
                    by_s=self.replica.clock.at_s(self._claimed_at_s + item.left_s),
                )
                for item in self._sent
            ],
        )

    def _learn(self, response: pb.PredictResponse, elapsed_s: float) -> None:
        timings = response.timings
        self._elapsed_s, self._service_s = elapsed_s, max(0.0, elapsed_s - timings.wait_s)
        self.replica.clock.learn(response.clock_s, time.monotonic())
        self.replica.succeeded()
        if not self._at_once:  # what ran beside a full server says nothing about batches
            handover_s = elapsed_s - timings.total_s if timings.total_s else 0.0
            self.replica.learn(len(self._sent), self._service_s, infer_s=timings.infer_s, handover_s=handover_s)

    def _sort(self, response: pb.PredictResponse) -> None:
        outcomes = {outcome.id: outcome for outcome in response.outcomes}
        for item in self._sent:
            outcome = outcomes.get(item.id)
            if outcome is None:
                self._failed(item, "the server gave no outcome for it")
                continue
            self._answered(item, outcome)

    def _answered(self, item: Item, outcome: pb.Outcome) -> None:
        is_problem = outcome.WhichOneof("result") == "problem"
        said = outcome.problem
        self._answer(
            item,
            Answer(
                status=said.status if is_problem else 200,
                body=problem(said.title, said.detail) if is_problem else outcome.prediction,
                wait_s=item.wait_s,
                service_s=self._elapsed_s,
                batch_size=len(self.items),
                attempts=len(read_history(item.history)) + 1,
                decode_s=outcome.timings.decode_s,
                infer_s=outcome.timings.infer_s,
                postprocess_s=outcome.timings.postprocess_s,
            ),
        )

    def _answer(self, item: Item, answer: Answer, *, failed: str = "") -> None:
        self.results.append((result_of(item.id, answer, failed=failed), item.meta_json, answer.body))

    def _late(self, item: Item) -> None:
        body = problem("Deadline exceeded", "the deadline passed before an answer")
        self._answer(item, Answer(status=504, body=body, wait_s=item.wait_s))

    def _all_back(self, reason: str) -> None:
        """Give all back without blame: nothing of it ran."""
        log.warning("batch_not_taken", model=self.model, replica=self.replica.instance_id, reason=reason)
        for item in self._sent:
            if self._left_s(item) <= 0:
                self._late(item)
            else:
                self.back.append((item.id, 0.0, item.history))

    def _all_failed(self, error: ServoirError) -> None:
        log.warning(
            "batch_failed",
            model=self.model,
            replica=self.replica.instance_id,
            reason=f"{type(error).__name__}: {error.detail}",
            request_ids=[item.meta.request_id for item in self._sent],
        )
        for item in self._sent:
            if self._left_s(item) <= 0:
                self._late(item)
            else:
                self._failed(item, f"{type(error).__name__}: {error.detail}")

    def _failed(self, item: Item, reason: str) -> None:
        failures = [*read_history(item.history), Failure(self.replica.instance_id, reason, time.time())]
        history = write_history(failures)
        if not retries.gives_up(len(failures)):
            metrics.RETRIES.labels(self.model).inc()
            self.back.append((item.id, retries.delay_s(len(failures), self._left_s(item)), history))
            return
        metrics.GIVEN_UP.labels(self.model).inc()
        log.error("item_given_up", model=self.model, request_id=item.meta.request_id, item=item.id)
        body = problem("Model failed on this input", "the model ended, or failed, on this input every time")
        answer = Answer(500, body, item.wait_s, batch_size=1, attempts=len(failures))
        self._answer(item, answer, failed=history)

    def count(self, statuses: list[int]) -> None:
        """Count the answers that were written, once they are."""
        priorities = {item.id: item.meta.priority for item in self.items}
        written = (
            (priorities[result.id], status) for (result, _, _), status in zip(self.results, statuses, strict=True)
        )
        for (priority, status), items in Counter(written).items():
            if status:
                metrics.answers(self.model, priority, status).inc(items)

    def tell(self) -> None:
        """Show operators how it went; its clients have their answers by then."""
        for item in self.items:
            metrics.waits(self.model, item.meta.priority).observe(item.wait_s)
        metrics.batches(self.model).observe(len(self.items))
        for way, items in ("sent", self._fetched), ("memory", len(self._sent) - self._fetched):
            metrics.payloads(self.model, way).inc(items)
        if self._elapsed_s:
            metrics.services(self.model).observe(self._service_s)
            log.info(
                "batch_answered",
                model=self.model,
                replica=self.replica.instance_id,
                items=len(self._sent),
                service_s=round(self._elapsed_s, 4),
                request_ids=[item.meta.request_id for item in self._sent],
            )


def _on_wire(spot: Spot | None) -> pb.Spot | None:
    return spot and pb.Spot(region=spot.region, offset=spot.offset, size=spot.size, number=spot.number)
