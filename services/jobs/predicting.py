"""A job's pictures through the queue: a window of them in flight, each asked for until it is answered for good."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

from chassis.errors import DeadlineExceeded, TooBusy, Unavailable
from services.jobs.job import Job
from services.jobs.patience import patiently
from services.jobs.settings import Settings
from services.queue.client import Answer, Claim, QueueClient, quota_for

T = TypeVar("T")
_LOOK_S = 0.5
_LATE_TRIES = 5


class Predicting:
    """One job's way to a model; *pause* waits, and raises where the job is to stop."""

    def __init__(
        self,
        queue: QueueClient,
        job: Job,
        settings: Settings,
        *,
        model: str,
        task: str,
        pause: Callable[[float], None],
    ) -> None:
        self._queue, self._job, self._settings = queue, job, settings
        self._model, self._task, self._pause = model, task, pause
        owner = job.owner
        self._quota = quota_for(
            owner.key_id, requests_per_s=owner.requests_per_s, burst=owner.burst, per_day=owner.requests_per_day
        )

    def answers(self, payloads: Iterable[tuple[T, bytes]]) -> Iterator[tuple[T, Answer]]:
        """Yield an answer for each of *payloads*, in their order, holding no more than the window of them."""
        window: deque[tuple[T, Future[Answer]]] = deque()
        with ThreadPoolExecutor(self._settings.jobs_in_flight, thread_name_prefix="predict") as pool:
            try:
                for number, (thing, payload) in enumerate(payloads):
                    window.append((thing, pool.submit(self._answer, payload, number)))
                    while len(window) >= self._settings.jobs_in_flight or (window and window[0][1].done()):
                        yield self._first(window)
                while window:
                    yield self._first(window)
            finally:
                for _, future in window:
                    future.cancel()

    def _first(self, window: deque[tuple[T, Future[Answer]]]) -> tuple[T, Answer]:
        thing, future = window[0]
        while True:
            try:
                answer = future.result(_LOOK_S)
            except NotYet:
                self._pause(0.0)
                continue
            window.popleft()
            return thing, answer

    def _answer(self, payload: bytes, number: int) -> Answer:
        late = 0

        def ask() -> Answer:
            nonlocal late
            answer = self._asked(payload, number)
            late += answer.status == DeadlineExceeded.status
            if answer.status in (TooBusy.status, Unavailable.status):
                raise Unavailable("not answered yet")
            if answer.status == DeadlineExceeded.status and late < _LATE_TRIES:
                raise Unavailable("not answered in time yet")
            return answer

        return patiently(ask, again_on=(TooBusy, Unavailable), pause=self._pause)

    def _asked(self, payload: bytes, number: int) -> Answer:
        [answer] = self._queue.predict(
            [payload],
            model_key=self._model,
            task=self._task,
            request_id=f"{self._job.id}.{number}",
            timeout_s=self._settings.jobs_predict_timeout_s,
            client_id=self._job.owner.client_id,
            priority="batch",
            weight=self._job.owner.weight,
            claim=Claim(self._quota) if self._quota else None,
        )
        return answer
