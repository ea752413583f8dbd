"""Tells the gateways how one model is served, so that admission can predict the wait."""

from __future__ import annotations

from itertools import count

from services.queue import broker
from services.queue.pipe import Pipe
from services.queue.plan import Plan
from services.queue.replicas import Replicas
from services.queue.scripts import run_async
from services.queue.settings import Settings
from services.queue.tenure import Tenure


class Publisher:
    """Publishes the plan of a model, made of its *replicas*, in the name of its owner."""

    def __init__(self, tenure: Tenure, replicas: Replicas, redis: Pipe, settings: Settings) -> None:
        self._tenure, self._replicas = tenure, replicas
        self._redis, self._settings = redis, settings
        self._numbers = count(1)
        self._in_force: Plan | None = None

    def forget(self) -> None:
        """Publish again, whatever was: another dispatcher may have done so since."""
        self._in_force = None

    async def publish(self, share: float) -> None:
        """Publish the plan as it is now, where it differs from the one in force by more than noise.

        *share* is how much of the room that it predicts is given away.
        """
        if not self._replicas.known:
            return
        owner = self._tenure
        plan = self._plan(f"{owner.token}:{next(self._numbers)}", share)
        if self._in_force is not None and plan.is_close_to(self._in_force):
            return
        call = broker.publish_plan(owner.model, owner.me, owner.token, plan.version, plan.json())
        await run_async(self._redis, call)
        self._in_force = plan

    def _plan(self, version: str, share: float) -> Plan:
        return Plan(
            version=version,
            replicas=[replica.plan for replica in self._replicas.counted()],
            least_s=self._replicas.least_s(),
            max_items=self._settings.queue_max_items,
            max_bytes=self._settings.queue_max_bytes,
            share=round(share, 3),
        )
