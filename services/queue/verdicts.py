"""What became of items that were claimed: answers to write, and what is to be tried again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from chassis import logs
from services.queue import metrics, retries
from services.queue.answers import Answer, Result, problem, result_of
from services.queue.broker import Item
from services.queue.history import Failure, read_history, write_history

log = logs.logger()


class Verdicts:
    """Of items of *model*: ``results`` to write (result, meta, body), and what goes ``back``.

    That is: id, seconds to wait, history ('' where the item is not to blame). ``suspects`` are those of them that a
    server failed with just now.
    """

    def __init__(self, model: str) -> None:
        self.results: list[tuple[Result, bytes, bytes]] = []
        self.back: list[tuple[str, float, str]] = []
        self.suspects: list[Item] = []
        self._model = model
        self._priorities: dict[str, str] = {}

    def __contains__(self, item: Item) -> bool:
        return any(result.id == item.id for result, _, _ in self.results) or any(
            item.id == back for back, _, _ in self.back
        )

    def answer(self, item: Item, answer: Answer, *, failed: str = "") -> None:
        """Let an item have this answer; *failed* is the history of one that is given up."""
        self.results.append((result_of(item.id, answer, failed=failed), item.meta_json, answer.body))
        self._priorities[item.id] = item.meta.priority

    def late(self, item: Item) -> None:
        """Let an item have the answer that its time has passed."""
        body = problem("Deadline exceeded", "the deadline passed before an answer")
        self.answer(item, Answer(status=504, body=body, wait_s=item.wait_s))

    def again(self, item: Item) -> None:
        """Give an item back without blame: nothing of it ran."""
        self.back.append((item.id, 0.0, item.history))

    def failed(self, item: Item, replica: str, reason: str, left_s: float) -> None:
        """Give an item back that *replica* failed with, or give it up if that was once too often.

        *left_s* is how long it has until its deadline.
        """
        failures = [*read_history(item.history), Failure(replica, reason, time.time())]
        history = write_history(failures)
        if not retries.gives_up(len(failures)):
            metrics.RETRIES.labels(self._model).inc()
            self.back.append((item.id, retries.delay_s(len(failures), left_s), history))
            self.suspects.append(item)
            return
        metrics.GIVEN_UP.labels(self._model).inc()
        log.error("item_given_up", model=self._model, request_id=item.meta.request_id, item=item.id)
        body = problem("Model failed on this input", "the model ended, or failed, on this input every time")
        self.answer(item, Answer(500, body, item.wait_s, batch_size=1, attempts=len(failures)), failed=history)

    def count(self, statuses: Sequence[int]) -> None:
        """Count the answers that were written, once they are."""
        written = (
            (self._priorities[result.id], status) for (result, _, _), status in zip(self.results, statuses, strict=True)
        )
        for (priority, status), items in Counter(written).items():
            if status:
                metrics.answers(self._model, priority, status).inc(items)
