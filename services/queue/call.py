"""What a request asks of a model, apart from its pictures or tensors."""

from __future__ import annotations

import msgspec

from services.queue.quotas import Claim
from services.queue.refusals import Who


class PredictCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a model, and for whom; an answer is useless *timeout_s* after the call.

    *weight* is the client's share among the clients of its class, *priority*. A *claim* is held to its quota, and told
    what is left of it.
    """

    model_key: str
    task: str
    request_id: str
    timeout_s: float
    client_id: str = ""
    priority: str = "interactive"
    weight: float = 1.0
    idempotency_key: str = ""
    claim: Claim | None = None

    @property
    def who(self) -> Who:
        """Who asks for what, as refusals are held."""
        return Who(self.model_key, self.priority, self.client_id)
