"""A gateway over hand-written fakes, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.gateway.app import close, create_app
from services.gateway.parts import Parts
from services.gateway.settings import Settings
from services.gateway.upload_clock import UploadClock
from services.jobs.client import JobsClient, uploads_of
from tests.fakes_gateway import FakeCatalogue, FakeKeyRing, FakeOperator, FakeQueue, FakeRegistry, model


@dataclass
class Gateway:
    settings: Settings = field(default_factory=Settings)
    queue: FakeQueue = field(default_factory=FakeQueue)
    models: FakeCatalogue = field(
        default_factory=lambda: FakeCatalogue(
            model(),
            model("acme-lanes-3", "lane", dnnarch="lane_net"),
            model("acme-shapes-1", "polygon"),
            model("acme-kinds-1", "classify"),
            bbox="acme-coco_things-1",
        )
    )
    operator: FakeOperator = field(default_factory=FakeOperator)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    keys: FakeKeyRing = field(default_factory=FakeKeyRing)
    apps: list[Flask] = field(default_factory=list)

    @property
    def client(self) -> FlaskClient:
        app = create_app(
            Parts(
                self.settings,
                queue=self.queue,  # type: ignore[arg-type]
                operator=self.operator,  # type: ignore[arg-type]
                models=self.models,  # type: ignore[arg-type]
                keys=self.keys,  # type: ignore[arg-type]
                registry=self.registry,  # type: ignore[arg-type]
                clock=UploadClock(self.settings.upload_timeout_s),
                jobs=JobsClient(self.settings.redis_url, self.settings.jobs_folder),
                uploads=uploads_of(self.settings.jobs_folder, max_bytes=2**20, max_files=10),
            )
        )
        self.apps.append(app)
        return app.test_client()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Change its parts, then take its ``client``."""
    made = Gateway()
    yield made
    for app in made.apps:
        close(app)
