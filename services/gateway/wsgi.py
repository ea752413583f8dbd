"""One gateway process's application, with clients of its own; Gunicorn calls it after it forked."""

from __future__ import annotations

import gc
import sys

from chassis import allocator, logs
from chassis.settings import load
from services.gateway.app import create_app
from services.gateway.front import Front
from services.gateway.parts import Parts
from services.gateway.settings import Settings
from services.jobs.client import JobsClient, uploads_of
from services.queue.client import QueueClient, QueueOperator
from services.registry.client import KeyRing, ModelCatalogue, RegistryClient

_LARGE_BYTES, _KEPT_BYTES = 2**20, 16 * 2**20
_SWITCH_S = 0.05
_GC_THRESHOLDS = (50_000, 20, 100)


def settle_threads() -> None:
    """Let a thread work on for a while before another may interrupt it, and collect garbage seldom.

    A request takes well under a millisecond of work and then waits: to be interrupted in it only costs. What is made
    for a request is freed by its reference counts, so that a collection finds nothing.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def build() -> Front:
    """Return the application over clients that it starts."""
    allocator.keep(_KEPT_BYTES, up_to=_LARGE_BYTES)
    settle_threads()
    settings = load(Settings)
    logs.configure("gateway", settings.log_level)
    parts = Parts(
        settings=settings,
        queue=QueueClient(settings.redis_url),
        operator=QueueOperator(settings.redis_url),
        models=ModelCatalogue(settings.registry_address),
        keys=KeyRing(settings.registry_address),
        registry=RegistryClient(settings.registry_address),
        jobs=JobsClient(settings.redis_url, settings.jobs_folder),
        uploads=uploads_of(
            settings.jobs_folder, max_bytes=settings.jobs_max_upload_bytes, max_files=settings.jobs_max_upload_files
        ),
    )
    return Front(create_app(parts))
