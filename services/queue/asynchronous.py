"""Asynchronous requests: what is known of one at a moment, until it is forgotten; and cancelling what waits of it.

A job is a request whose answers go into a hash of its own instead of to a gateway that waits (``push`` in
``lua/model.lua``): in the same one step, so that whatever dies, each item has exactly one answer, and it is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from chassis.errors import NotFound, WrongState
from services.queue import admission, broker, keys
from services.queue.answers import CANCELLED, Answer, read_reply
from services.queue.connections import translated
from services.queue.plan import read_plan
from services.queue.scripts import Call, run

AsyncState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class AsyncJob:
    """An asynchronous request at a moment; times in seconds since 1970.

    *answers* has one place for each payload, None as long as it has no answer. *place* is that of the next of its items
    in the queue (1: goes next), *left_s* an estimate of how long its last one needs; both None where none waits.
    """

    id: str
    model: str
    about: bytes
    created_s: float
    expires_s: float
    answers: list[Answer | None]
    done_s: float | None = None
    waiting: int = 0
    place: int | None = None
    left_s: float | None = None

    @property
    def cancelled(self) -> int:
        """How many of its items were cancelled."""
        return sum(answer is not None and answer.status == CANCELLED for answer in self.answers)

    @property
    def running(self) -> int:
        """How many of its items are at a server."""
        return self.answers.count(None) - self.waiting

    @property
    def state(self) -> AsyncState:
        """``queued``, ``running`` from its first item until all are answered; then ``cancelled`` if any was, ``done``
        if any was predicted, else ``failed``.
        """
        if self.waiting == len(self.answers):
            return "queued"
        if None in self.answers:
            return "running"
        if self.cancelled:
            return "cancelled"
        return "done" if any(answer and answer.status == 200 for answer in self.answers) else "failed"


class AsyncJobs:
    """The asynchronous requests of all clients; each call raises Unavailable where Redis is away."""

    def __init__(self, client: Any) -> None:
        self._redis = client

    def job(self, id: str, *, client_id: str) -> AsyncJob:
        """Return a client's job; NotFound where it has none of this name, or not any more."""
        return _read(id, self._ask(broker.show_job, id, client_id))

    def cancel(self, id: str, *, client_id: str) -> AsyncJob:
        """Cancel what waits of a client's job; what is at a server is let finish. Once more does nothing.

        Raises WrongState where nothing waits that could be cancelled, and NotFound.
        """
        cancelled, view = self._ask(broker.cancel_job, id, client_id)
        job = _read(id, view)
        if not cancelled and not job.cancelled:
            raise WrongState("it runs already, and is let finish" if None in job.answers else "it is answered already")
        return job

    def _ask(self, verb: Any, id: str, client_id: str) -> list[Any]:
        with translated():
            model = self._redis.hget(keys.job_key(id), "model")
            call: Call | None = verb(id, client_id, model.decode()) if model else None
            found: list[Any] = run(self._redis, call) if call else []
        if not found:
            raise NotFound("no such job")
        return found


def _read(id: str, view: list[Any]) -> AsyncJob:
    now_ms, kept_ms, waiting, place, ahead, plan, *flat = view
    fields = dict(_pairs(flat))
    answers: list[Answer | None] = [None] * int(fields[b"count"])
    for name, value in fields.items():
        if name.startswith(b"answer:"):
            _, index, answer = read_reply(value)
            answers[index] = answer
    left_s = admission.left_s(read_plan(plan), ahead) if waiting and plan else math.inf
    return AsyncJob(
        id=id,
        model=fields[b"model"].decode(),
        about=fields[b"about"],
        created_s=int(fields[b"created"]) / 1000,
        expires_s=(now_ms + kept_ms) / 1000,
        answers=answers,
        done_s=int(fields[b"done"]) / 1000 if b"done" in fields else None,
        waiting=waiting,
        place=place or None,
        left_s=left_s if math.isfinite(left_s) else None,
    )


def _pairs(flat: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
