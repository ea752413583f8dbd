"""The queue for threads: the same requests, made by an event loop in another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from services.queue.answers import Answer
from services.queue.asynchronous import AsyncJob, AsyncJobs
from services.queue.broker import Payload
from services.queue.call import PredictCall
from services.queue.connections import connect
from services.queue.requests import AsyncQueueClient

_CONNECTIONS = 4
Result = TypeVar("Result")


class QueueClient:
    """What ``AsyncQueueClient`` does, for all threads of a process; made after a fork.

    ``start`` gives it a loop in a thread of its own, ``start_in`` one that runs already; *how* is as there.
    """

    def __init__(self, redis_url: str, **how: Any) -> None:
        self.asynchronous = AsyncQueueClient(redis_url, **how)
        self._redis = connect(redis_url, most=_CONNECTIONS)
        self._jobs = AsyncJobs(self._redis)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start listening for answers, in a thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="queue", daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self.asynchronous.start)

    def start_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start listening in *loop*, which runs in this thread; the others may call from then on."""
        self._loop = loop
        self.asynchronous.start()

    def close(self) -> None:
        """Stop a loop of its own; requests that wait are answered 503."""
        if self._thread and self._loop:
            self._wait(self.asynchronous.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        self._redis.close()

    def ready(self) -> bool:
        """Whether the queue can be reached."""
        return self.asynchronous.ready()

    def predict(self, payloads: Sequence[Payload], call: PredictCall) -> list[Answer]:
        """Return one answer for each payload, in order."""
        return self._wait(self.asynchronous.predict(payloads, call))

    def submit(self, payloads: Sequence[Payload], call: PredictCall, *, about: bytes, keep_s: float) -> str:
        """Return the id of a job that holds one answer for each payload, as they come."""
        return self._wait(self.asynchronous.submit(payloads, call, about=about, keep_s=keep_s))

    def job(self, id: str, *, client_id: str = "") -> AsyncJob:
        """Return a client's job; raises NotFound where it has none of this name, or not any more."""
        return self._jobs.job(id, client_id=client_id)

    def cancel(self, id: str, *, client_id: str = "") -> AsyncJob:
        """Cancel what waits of a client's job; raises WrongState where nothing of it waits, and NotFound."""
        return self._jobs.cancel(id, client_id=client_id)

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        assert self._loop, "start comes first"
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
