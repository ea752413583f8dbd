"""One gateway process's application, with clients of its own; Gunicorn calls it after it forked."""

from __future__ import annotations

from flask import Flask

from chassis import logs
from chassis.settings import load
from services.gateway.app import create_app
from services.gateway.parts import Parts
from services.gateway.settings import Settings
from services.gateway.uploads import UploadClock
from services.queue.client import QueueClient, QueueOperator
from services.registry.client import ModelCatalogue, RegistryClient


def build() -> Flask:
    """Return the application over clients that are started."""
    settings = load(Settings)
    logs.configure("gateway", settings.log_level)
    parts = Parts(
        settings=settings,
        queue=QueueClient(settings.redis_url),
        operator=QueueOperator(settings.redis_url),
        models=ModelCatalogue(settings.registry_address),
        registry=RegistryClient(settings.registry_address),
        clock=UploadClock(settings.upload_timeout_s),
    )
    parts.queue.start()
    parts.models.start()
    parts.models.wait(settings.start_timeout_s)
    return create_app(parts)
