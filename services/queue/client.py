"""The door to the queue: requests for the gateways, and what operators look at and do."""

from __future__ import annotations

from services.queue.answers import Answer
from services.queue.blocking import QueueClient
from services.queue.jobs import Job, JobState
from services.queue.operators import QuarantinedItem, QueueOperator, QueueView
from services.queue.quotas import Claim, Quota, Standing, quota_for
from services.queue.requests import AsyncQueueClient

__all__ = [
    "Answer",
    "AsyncQueueClient",
    "Claim",
    "Job",
    "JobState",
    "QuarantinedItem",
    "QueueClient",
    "QueueOperator",
    "QueueView",
    "Quota",
    "Standing",
    "quota_for",
]
