"""What the tests of the queue do again and again: wait for a plan, ask, ask from many threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import redis

from chassis.errors import ServoirError, Unavailable
from services.queue.client import Answer, PredictCall, QueueClient
from tests.fakes import MODEL
from tests.parts import wait_until


def planned(url: str, replicas: int = 1, model: str = MODEL) -> None:
    """Wait until the queue knows of so many replicas."""
    with redis.Redis.from_url(url) as connection:

        def known() -> bool:
            plan = connection.hget("servoir:queue:plans", model)
            return plan is not None and len(json.loads(plan)["replicas"]) == replicas

        wait_until(known, what=f"a plan of {replicas} replicas")


def ask(
    queue: QueueClient, *payloads: bytes, model: str = MODEL, timeout_s: float = 20.0, request_id: str = "r", **how: Any
) -> list[Answer]:
    """Predict with a long deadline; *how* is PredictCall's."""
    call = PredictCall(model_key=model, task="bbox", request_id=request_id, timeout_s=timeout_s, **how)
    return queue.predict(payloads, call)


def answers(queue: QueueClient) -> bool:
    """Return whether the queue, which was away, answers."""
    try:
        return ask(queue, b"after")[0].status == 200
    except Unavailable:
        return False


class Asking:
    """A call in a thread of its own: what it returned or raised, once ``done``."""

    def __init__(self, call: Callable[[], list[Answer]]) -> None:
        self.answers: list[Answer] = []
        self.error: ServoirError | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answers = self._call()
        except ServoirError as error:
            self.error = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> list[Answer]:
        self._thread.join(60)
        if self.error:
            raise self.error
        return self.answers

    def result_or_none(self) -> list[Answer] | None:
        self._thread.join(60)
        return self.answers or None


def at_once(queue: QueueClient, payloads: list[bytes], **how: Any) -> list[Asking]:
    """Ask for each payload in a thread of its own."""
    return [Asking(lambda payload=payload: ask(queue, payload, **how)) for payload in payloads]  # type: ignore[misc]


def depth(url: str) -> int:
    """Return how many items are accepted and not answered."""
    with redis.Redis.from_url(url) as connection:
        return int(connection.xlen(f"servoir:queue:{MODEL}:requests"))


def at_work(url: str) -> int:
    """Return how many items are claimed and not answered."""
    with redis.Redis.from_url(url) as connection:
        try:
            return int(connection.xpending(f"servoir:queue:{MODEL}:requests", "dispatchers")["pending"])
        except redis.ResponseError:
            return 0
