"""The door to the queue: requests for the gateways, and what operators look at and do."""

from __future__ import annotations

from services.queue.answers import Answer
from services.queue.asynchronous import AsyncJob, AsyncState
from services.queue.blocking import QueueClient
from services.queue.call import PredictCall
from services.queue.operators import QuarantinedItem, QueueOperator, QueueView
from services.queue.quotas import Claim, Quota, Standing, quota_for
from services.queue.requests import AsyncQueueClient

__all__ = [
    "Answer",
    "AsyncQueueClient",
    "AsyncJob",
    "AsyncState",
    "Claim",
    "PredictCall",
    "QuarantinedItem",
    "QueueClient",
    "QueueOperator",
    "QueueView",
    "Quota",
    "Standing",
    "quota_for",
]
