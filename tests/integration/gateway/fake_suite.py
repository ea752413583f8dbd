"""A gateway's application over fakes, for Gunicorn."""

from __future__ import annotations

from chassis import allocator, logs
from chassis.settings import load
from services.gateway.app import create_app
from services.gateway.front import Front
from services.gateway.parts import Parts
from services.gateway.settings import Settings
from services.jobs.client import JobsClient, UploadLimits, uploads_of
from services.queue.client import QueueView
from tests.fakes_gateway import FakeCatalogue, FakeKeyRing, FakeOperator, FakeQueue, FakeRegistry, model


def build() -> Front:
    allocator.keep(2**24, up_to=2**20)
    settings = load(Settings)
    logs.configure("gateway", settings.log_level)
    app = create_app(
        Parts(
            settings,
            queue=FakeQueue(),  # type: ignore[arg-type]
            operator=FakeOperator([QueueView("acme-coco_things-1", 0, 0, 0, 0, 0, 0.0, 0, "d", 1, 1.0, [])]),  # type: ignore[arg-type]
            models=FakeCatalogue(model(), bbox="acme-coco_things-1"),  # type: ignore[arg-type]
            keys=FakeKeyRing(),  # type: ignore[arg-type]
            registry=FakeRegistry(),  # type: ignore[arg-type]
            jobs=JobsClient(settings.redis_url, settings.jobs_folder),
            uploads=uploads_of(settings.jobs_folder, UploadLimits(2**20, 10, 2**21, 3, 0)),
        )
    )
    return Front(app)
