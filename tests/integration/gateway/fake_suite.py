"""A gateway's application over fakes, for Gunicorn."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import allocator, logs
from chassis.settings import load
from services.gateway.app import create_app
from services.gateway.front import Front
from services.gateway.parts import Parts
from services.gateway.settings import Settings
from services.jobs.client import JobsClient, UploadLimits, uploads_of
from services.queue.client import Answer, PredictCall, QueueView
from tests.fakes_gateway import (
    RECT,
    FakeCatalogue,
    FakeKeyRing,
    FakeOperator,
    FakeQueue,
    FakeRegistry,
    answer,
    model,
    prediction,
)

TRIANGLE = {
    "region_attributes": RECT["region_attributes"],
    "shape_attributes": {"name": "polygon", "all_points_x": [335, 443, 335], "all_points_y": [426, 426, 758]},
}


class Shapes(FakeQueue):
    """Finds a triangle in each picture that is asked for its polygons."""

    def predict(self, payloads: Sequence[bytes], call: PredictCall) -> list[Answer]:
        if call.task != "polygon":
            return super().predict(payloads, call)
        return [answer(body=prediction([RECT, TRIANGLE])) for _ in payloads]


def build() -> Front:
    allocator.keep(2**24, up_to=2**20)
    settings = load(Settings)
    logs.configure("gateway", settings.log_level)
    known = model(), model("acme-shapes-1", "polygon")
    views = [QueueView(it.key, 0, 0, 0, 0, 0, 0.0, 0, "d", 1, 1.0, []) for it in known]
    app = create_app(
        Parts(
            settings,
            queue=Shapes(),  # type: ignore[arg-type]
            operator=FakeOperator(views),  # type: ignore[arg-type]
            models=FakeCatalogue(*known, bbox="acme-coco_things-1"),  # type: ignore[arg-type]
            keys=FakeKeyRing(),  # type: ignore[arg-type]
            registry=FakeRegistry(),  # type: ignore[arg-type]
            jobs=JobsClient(settings.redis_url, settings.jobs_folder),
            uploads=uploads_of(settings.jobs_folder, UploadLimits(2**20, 10, 2**21, 3, 0)),
        )
    )
    return Front(app)
