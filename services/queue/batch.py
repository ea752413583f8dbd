"""One batch at one model server: sent, and what became of each of its items."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from redis.exceptions import RedisError

from chassis import logs
from chassis.errors import DeadlineExceeded, ServoirError
from chassis.rpc import model_server_pb2 as pb
from chassis.shared_memory import Spot
from services.model_server.client import NotReached, Refused
from services.queue import metrics
from services.queue.answers import Answer, problem
from services.queue.broker import Item
from services.queue.history import read_history
from services.queue.replica import Replica
from services.queue.verdicts import Verdicts

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

    After ``run``, ``verdicts`` holds what became of its items, but for those ``missing``: of these nothing ran, since
    their payloads are in memory alone, and not to be read there by this server. ``unread`` says that it tried.
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
        self.verdicts = Verdicts(model)
        self.missing: list[Item] = []
        self.unread = False
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
            for item in self.items:
                if item not in self.verdicts and item not in self.missing:
                    self._failed(item, "internal error in the dispatcher")

    async def _run(self) -> None:
        started_s = time.monotonic()
        self._sent = self._in_time()
        try:
            fetched = await self._fetch()
            if not self._sent:
                return
            longest_s = max(self._left_s(item) for item in self._sent)
            timeout_s = min(longest_s + _GRACE_S, self.replica.stall_s(len(self._sent)))
            await self.replica.meet()
            response = await self.replica.client.predict(self._request(fetched), timeout_s)
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
        self._set_aside({outcome.id for outcome in response.outcomes if outcome.gone})
        self._learn(response, time.monotonic() - started_s)
        self._sort(response)

    async def _fetch(self) -> Mapping[str, bytes]:
        """Return, by item, the payloads that the server cannot read in memory, and send only what can be.

        An item whose payload is not in Redis either is missing; one that has its answer by now needs none.
        """
        memory = self.replica.memory
        far = [item for item in self._sent if not (item.spot and item.spot.memory == memory)]
        if not far:
            return {}
        payloads = await self._payloads(far)
        self.missing = [item for item, payload in zip(far, payloads, strict=True) if payload == b"" and item.meta.size]
        fetched = {
            item.id: payload
            for item, payload in zip(far, payloads, strict=True)
            if payload is not None and item not in self.missing
        }
        self._sent = [item for item in self._sent if item.id in fetched or item not in far]
        self._fetched = len(fetched)
        return fetched

    def _in_time(self) -> list[Item]:
        """Return what there is time for; the rest, late since it was claimed, is answered so and not sent."""
        in_time = []
        for item in self.items:
            if self._left_s(item) > 0:
                in_time.append(item)
            else:
                self.verdicts.late(item)
        return in_time

    def _request(self, fetched: Mapping[str, bytes]) -> pb.PredictRequest:
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

    def _set_aside(self, gone: set[str]) -> None:
        """Count as missing what the server did not find in memory."""
        self.missing += [item for item in self._sent if item.id in gone]
        self._sent = [item for item in self._sent if item.id not in gone]
        self.unread = bool(gone)

    def _learn(self, response: pb.PredictResponse, elapsed_s: float) -> None:
        timings = response.timings
        self._elapsed_s, self._service_s = elapsed_s, max(0.0, elapsed_s - timings.wait_s)
        now_s = time.monotonic()
        self.replica.clock.learn(response.clock_s, now_s - elapsed_s, now_s)
        self.replica.succeeded()
        if self._sent and not self._at_once:  # what ran beside a full server says nothing about batches
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
        self.verdicts.answer(
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

    def _all_back(self, reason: str) -> None:
        """Give all back without blame: nothing of it ran."""
        log.warning("batch_not_taken", model=self.model, replica=self.replica.instance_id, reason=reason)
        for item in self._sent:
            if self._left_s(item) <= 0:
                self.verdicts.late(item)
            else:
                self.verdicts.again(item)

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
                self.verdicts.late(item)
            else:
                self._failed(item, f"{type(error).__name__}: {error.detail}")

    def _failed(self, item: Item, reason: str) -> None:
        self.verdicts.failed(item, self.replica.instance_id, reason, self._left_s(item))

    def tell(self) -> None:
        """Show operators how it went; its clients have their answers by then."""
        settled = [item for item in self.items if item not in self.missing]
        for item in settled:
            metrics.waits(self.model, item.meta.priority).observe(item.wait_s)
        if settled:
            metrics.batches(self.model).observe(len(settled))
        for way, items in ("sent", self._fetched), ("memory", len(self._sent) - self._fetched):
            metrics.payloads(self.model, way).inc(items)
        if self._sent and self._elapsed_s:
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
