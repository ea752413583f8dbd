"""What the gateway is made of, as its views find it: settings and the clients of the other services."""

from __future__ import annotations

from typing import NamedTuple, cast

from flask import current_app

from services.gateway.settings import Settings
from services.jobs.client import JobsClient, Uploads
from services.queue.client import QueueClient, QueueOperator
from services.registry.client import KeyRing, ModelCatalogue, RegistryClient

EXTENSION = "servoir"


class Parts(NamedTuple):
    """One process's clients; every one of them is safe to use from many threads."""

    settings: Settings
    queue: QueueClient
    operator: QueueOperator
    models: ModelCatalogue
    keys: KeyRing
    registry: RegistryClient
    jobs: JobsClient
    uploads: Uploads


def parts() -> Parts:
    """Return the parts of the application that answers the current request."""
    return cast(Parts, current_app.extensions[EXTENSION])
