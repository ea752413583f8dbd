"""A job's pictures through the queue: a window of them in flight, each asked for until it is answered for good."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple, TypeVar

from chassis.errors import DeadlineExceeded, TooBusy, Unavailable
from services.jobs.job import Job
from services.jobs.patience import patiently
from services.jobs.settings import Settings
from services.jobs.window import Window
from services.queue.client import Answer, Claim, PredictCall, QueueClient, QueueOperator, quota_for

T = TypeVar("T")
_LOOK_S = 0.02
_LATE_TRIES = 5


class _Taken(NamedTuple):
    answer: Answer
    took_s: float


class Predicting:
    """One job's way to a model; *pause* waits, and raises where the job is to stop; *say* is told what is awaited."""

    def __init__(
        self,
        queue: QueueClient,
        operator: QueueOperator,
        job: Job,
        settings: Settings,
        *,
        model: str,
        task: str,
        pause: Callable[[float], None],
        say: Callable[[str], None],
    ) -> None:
        self._operator, self._window = operator, Window(settings.jobs_in_flight, share=settings.jobs_share)
        self._queue, self._job, self._settings = queue, job, settings
        self._model, self._task, self._pause, self._say = model, task, pause, say
        owner = job.owner
        self._quota = quota_for(
            owner.key_id, requests_per_s=owner.requests_per_s, burst=owner.burst, per_day=owner.requests_per_day
        )

    def answers(self, payloads: Iterable[tuple[T, bytes]]) -> Iterator[tuple[T, Answer]]:
        """Yield an answer for each of *payloads*, in their order, holding no more than twice the window of them."""
        most = self._settings.jobs_in_flight
        waiting: deque[tuple[T, Future[_Taken]]] = deque()
        numbered = enumerate(payloads)
        more = next(numbered, None)
        pool = ThreadPoolExecutor(most, thread_name_prefix="predict")
        try:
            while more is not None or waiting:
                while waiting and waiting[0][1].done():
                    thing, future = waiting.popleft()
                    yield thing, self._learnt(future.result())
                if more is not None and len(waiting) < 2 * most and self._admits(waiting):
                    number, (thing, payload) = more
                    waiting.append((thing, pool.submit(self._answer, payload, number)))
                    more = next(numbered, None)
                else:
                    wait([future for _, future in waiting], _LOOK_S, FIRST_COMPLETED)
                    self._pause(0.0 if waiting else _LOOK_S)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _admits(self, waiting: Iterable[tuple[T, Future[_Taken]]]) -> bool:
        """Return whether one more picture may go now; where the queue is away that is soon known by other means."""
        in_flight = sum(not future.done() for _, future in waiting)
        try:
            others = self._operator.unanswered(self._model) - in_flight
        except Unavailable:
            others = 0
        now_s = time.monotonic()
        if not self._window.admits(in_flight, others, now_s):
            return False
        self._window.sent(now_s)
        return True

    def _learnt(self, taken: _Taken) -> Answer:
        self._window.answered(taken.took_s, time.monotonic())
        return taken.answer

    def _answer(self, payload: bytes, number: int) -> _Taken:
        late = 0

        def ask() -> _Taken:
            nonlocal late
            sent_s = time.monotonic()
            answer = self._asked(payload, number)
            late += answer.status == DeadlineExceeded.status
            if answer.status in (TooBusy.status, Unavailable.status):
                raise Unavailable("a picture was not answered")
            if answer.status == DeadlineExceeded.status and late < _LATE_TRIES:
                raise Unavailable("a picture was not answered in time")
            return _Taken(answer, time.monotonic() - sent_s)

        return patiently(ask, again_on=(TooBusy, Unavailable), pause=self._pause, say=self._say)

    def _asked(self, payload: bytes, number: int) -> Answer:
        call = PredictCall(
            model_key=self._model,
            task=self._task,
            request_id=f"{self._job.id}.{number}",
            timeout_s=self._settings.jobs_predict_timeout_s,
            client_id=self._job.owner.client_id,
            priority="batch",
            weight=self._job.owner.weight,
            claim=Claim(self._quota) if self._quota else None,
        )
        [answer] = self._queue.predict([payload], call)
        return answer
