"""One gateway process's application, with clients of its own; Gunicorn calls it after it forked."""

from __future__ import annotations

import gc

from chassis import allocator, logs
from chassis.settings import load
from chassis.shared_memory import Region
from services.gateway.app import create_app
from services.gateway.front import Front
from services.gateway.parts import Parts
from services.gateway.settings import Settings
from services.jobs.client import JobsClient, UploadLimits, uploads_of
from services.queue.client import QueueClient, QueueOperator
from services.registry.client import KeyRing, ModelCatalogue, RegistryClient

log = logs.logger()
_LARGE_BYTES, _KEPT_BYTES = 2**20, 16 * 2**20
_GC_THRESHOLDS = (50_000, 20, 100)


def collect_seldom() -> None:
    """Collect garbage seldom: what is made for a request is freed by its reference counts, and nothing is found."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _region(settings: Settings) -> Region | None:
    """Return memory shared with the model servers of this machine, where there is any."""
    if not settings.shared_memory_bytes:
        return None
    try:
        return Region(settings.shared_memory, settings.shared_memory_bytes)
    except OSError as error:
        log.warning("no_shared_memory", folder=str(settings.shared_memory), reason=str(error))
        return None


def _upload_limits(settings: Settings) -> UploadLimits:
    return UploadLimits(
        upload_bytes=settings.jobs_max_upload_bytes,
        upload_files=settings.jobs_max_upload_files,
        client_bytes=settings.jobs_max_client_upload_bytes,
        client_uploads=settings.jobs_max_client_uploads,
        free_bytes=settings.jobs_free_bytes,
    )


def build() -> Front:
    """Return the application over clients that it starts."""
    allocator.keep(_KEPT_BYTES, up_to=_LARGE_BYTES)
    collect_seldom()
    settings = load(Settings)
    logs.configure("gateway", settings.log_level)
    parts = Parts(
        settings=settings,
        queue=QueueClient(settings.redis_url, region=_region(settings), max_waiting=settings.gateway_max_waiting),
        operator=QueueOperator(settings.redis_url),
        models=ModelCatalogue(settings.registry_address),
        keys=KeyRing(settings.registry_address),
        registry=RegistryClient(settings.registry_address),
        jobs=JobsClient(settings.redis_url, settings.jobs_folder),
        uploads=uploads_of(settings.jobs_folder, _upload_limits(settings)),
    )
    return Front(create_app(parts))
