"""What operators look at and do: the state of every queue, and the quarantines."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from chassis.errors import NotFound
from services.queue import broker, keys
from services.queue.answers import Answer
from services.queue.blocking import QueueClient
from services.queue.broker import Meta
from services.queue.call import PredictCall
from services.queue.connections import connect, translated
from services.queue.history import Failure, read_history
from services.queue.plan import read_plan
from services.queue.scripts import run

_NO_ANSWERS = (503, 504)
_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})").fullmatch


class QueueView(msgspec.Struct, frozen=True):
    """One model's queue at a moment; *refused* counts by ``<class>:<reason>``, *drain_rate* is in items per second."""

    model: str
    interactive: int
    batch: int
    suspects: int
    at_work: int
    bytes: int
    oldest_s: float
    quarantined: int
    owner: str
    replicas: int
    drain_rate: float
    service_s: list[list[float]]
    refused: dict[str, int] = msgspec.field(default_factory=dict)


class QuarantinedItem(msgspec.Struct, frozen=True):
    """An item that was given up, with its bytes and each failure."""

    id: str
    model: str
    since: datetime
    meta: Meta
    payload: bytes
    failures: list[Failure]

    def kept(self) -> bytes:
        """Return its bytes; raises NotFound where they were in the memory of a gateway that ended before they were."""
        if len(self.payload) != self.meta.size:
            raise NotFound(f"the bytes of {self.id} were not kept: its gateway ended with them")
        return self.payload


class QueueOperator:
    """What ``servoir queue`` and ``servoir quarantine`` do; each call raises Unavailable where Redis is away."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._redis: Any = connect(redis_url, most=2)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def models(self) -> list[str]:
        """Return the models that have a queue, in order."""
        with translated():
            return sorted(model.decode() for model in self._redis.hkeys(keys.PLANS))

    def overview(self) -> list[QueueView]:
        """Return the state of every model's queue."""
        return [self._view(model) for model in self.models()]

    def _view(self, model: str) -> QueueView:
        with translated():
            view = broker.read_view(run(self._redis, broker.sweep(model, 0))[2])
            plan = read_plan(self._redis.hget(keys.PLANS, model))
        return QueueView(
            model=model,
            interactive=view["interactive"] + view["first"],
            batch=view["batch"],
            suspects=view["suspects"],
            at_work=view["at_work"],
            bytes=view["bytes"],
            oldest_s=view["oldest_s"],
            quarantined=view["quarantined"],
            owner=view["owner"],
            replicas=len(plan.replicas),
            drain_rate=plan.drain_rate,
            service_s=[replica.service_s for replica in plan.replicas],
            refused=view.get("refused", {}),
        )

    def unanswered(self, model: str) -> int:
        """Return how many items of a model wait or run."""
        with translated():
            return int(self._redis.xlen(keys.of_model(model, "requests")))

    def quarantine(self, model: str, *, most: int = 100) -> list[QuarantinedItem]:
        """Return what is in a model's quarantine, newest first."""
        with translated():
            entries = self._redis.xrevrange(keys.of_model(model, "quarantine"), count=most)
        return [_quarantined(model, entry, fields) for entry, fields in entries]

    def quarantined(self, model: str, item: str) -> QuarantinedItem:
        """Return one item of a model's quarantine; raises NotFound."""
        entries: Any = []
        if _is_id(item):  # Redis takes "-" and the like for a range, and another number for a mistake of ours
            with translated():
                entries = self._redis.xrange(keys.of_model(model, "quarantine"), item, item)
        if not entries:
            raise NotFound(f"no such item in the quarantine of {model}: {item[:64]}")
        return _quarantined(model, *entries[0])

    def replay(self, queue: QueueClient, item: QuarantinedItem, *, request_id: str, timeout_s: float) -> Answer:
        """Put a quarantined item into *queue* once more, as its client's, and return its answer.

        It leaves the quarantine then, unless the answer is none of the model's (503, 504): an item that fails again
        is quarantined anew, with its new history. Raises what ``QueueClient.predict`` raises, and NotFound where its
        payload was not kept.
        """
        call = PredictCall(
            model_key=item.model,
            task=item.meta.task,
            request_id=request_id,
            timeout_s=timeout_s,
            client_id=item.meta.client,
            priority="batch",
        )
        [answer] = queue.predict([item.kept()], call)
        if answer.status not in _NO_ANSWERS:
            self.drop(item.model, [item.id])
        return answer

    def drop(self, model: str, ids: list[str] | None = None) -> int:
        """Remove these items, or all, from a model's quarantine; return how many there were."""
        if ids == []:
            return 0
        with translated():
            return int(run(self._redis, broker.drop_quarantined(model, ids or [])))


def _is_id(text: str) -> bool:
    """Say whether *text* may be an item's id: two numbers of 64 bits."""
    numbers = _ID(text)
    return numbers is not None and all(int(number) < 2**64 for number in numbers.groups())


def _quarantined(model: str, entry: bytes, fields: dict[bytes, bytes]) -> QuarantinedItem:
    name = entry.decode()
    return QuarantinedItem(
        id=name,
        model=model,
        since=datetime.fromtimestamp(int(name.split("-")[0]) / 1000, tz=UTC),
        meta=msgspec.json.decode(fields[b"meta"], type=Meta),
        payload=fields[b"payload"],
        failures=read_history(fields[b"history"].decode()),
    )
