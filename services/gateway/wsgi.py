"""One gateway process's application, with clients of its own; Gunicorn calls it after it forked."""

from __future__ import annotations

from flask import Flask

from chassis import logs
from chassis.settings import load
from services.gateway.app import create_app
from services.gateway.settings import Settings
from services.queue.client import QueueClient
from services.registry.client import ModelCatalogue, RegistryClient


def build() -> Flask:
    """Return the application over clients that are started."""
    settings = load(Settings)
    logs.configure("gateway", settings.log_level)
    queue = QueueClient(settings.redis_url)
    models = ModelCatalogue(settings.registry_address)
    registry = RegistryClient(settings.registry_address)
    queue.start()
    models.start()
    models.wait(settings.start_timeout_s)
    return create_app(settings, queue, models, registry)
