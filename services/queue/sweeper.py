"""What an owner does for its model once a second, whatever comes: it answers what is late, and says how things are."""

from __future__ import annotations

import time
from collections.abc import Mapping

from chassis import logs
from services.queue import broker, metrics
from services.queue.pipe import Pipe
from services.queue.publisher import Publisher
from services.queue.replicas import Replicas
from services.queue.scripts import run_async
from services.queue.tenure import Tenure
from services.queue.trust import Trust

log = logs.logger()


class Sweeper:
    """Sweeps in the name of a model's owner, and lets go of a model that nobody served for *retire_s*."""

    def __init__(
        self, tenure: Tenure, redis: Pipe, replicas: Replicas, trust: Trust, publisher: Publisher, retire_s: float
    ) -> None:
        self._tenure, self._redis, self._replicas = tenure, redis, replicas
        self._trust, self._publisher, self._retire_s = trust, publisher, retire_s
        self._served_s = time.monotonic()
        self._refused: Mapping[str, int] | None = None

    def forget(self) -> None:
        """Count refusals from now on: another dispatcher may have counted those that were."""
        self._refused = None

    async def sweep(self) -> bool:
        """Answer what is late, and tell operators and gateways how things are; return whether the model was let go."""
        model = self._tenure.model
        late_interactive, late_batch, view = await run_async(self._redis, broker.sweep(model))
        late = late_interactive + late_batch
        metrics.late(model).inc(late)
        self._trust.late(late)
        self._trust.settle()
        metrics.ADMISSION.labels(model).set(self._trust.share)
        seen = broker.read_view(view)
        metrics.show(model, seen)
        refused = seen.get("refused", {})
        if self._refused is not None:
            metrics.count_refusals(model, self._refused, refused)
        self._refused = refused
        self._replicas.show()
        await self._publisher.publish(self._trust.share)
        return self._is_not_served() and await self._retire()

    def _is_not_served(self) -> bool:
        if self._replicas or not self._replicas.known:
            self._served_s = time.monotonic()
        return time.monotonic() - self._served_s > self._retire_s

    async def _retire(self) -> bool:
        retired = await self._tenure.retire()
        if retired:
            log.info("model_retired", model=self._tenure.model)
        return retired
