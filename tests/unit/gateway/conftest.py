"""A gateway over hand-written fakes, in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import pytest
from a2wsgi import ASGIMiddleware
from flask import Flask
from werkzeug.test import Client

from services.gateway.app import close, create_app
from services.gateway.front import Front
from services.gateway.parts import Parts
from services.gateway.settings import Settings
from services.jobs.client import JobsClient, UploadLimits, uploads_of
from tests.fakes_gateway import FakeCatalogue, FakeKeyRing, FakeOperator, FakeQueue, FakeRegistry, model
from tests.unit.gateway.described import DescribedClient


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


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
    def client(self) -> Client:
        """A client of the whole gateway, as Gunicorn runs it."""
        app = self.app
        return DescribedClient(ASGIMiddleware(Front(app), loop=_loop()), app)  # type: ignore[arg-type]

    @property
    def app(self) -> Flask:
        app = create_app(
            Parts(
                self.settings,
                queue=self.queue,  # type: ignore[arg-type]
                operator=self.operator,  # type: ignore[arg-type]
                models=self.models,  # type: ignore[arg-type]
                keys=self.keys,  # type: ignore[arg-type]
                registry=self.registry,  # type: ignore[arg-type]
                jobs=JobsClient(self.settings.redis_url, self.settings.jobs_folder),
                uploads=uploads_of(self.settings.jobs_folder, UploadLimits(2**20, 10, 2**21, 3, 0)),
            )
        )
        self.apps.append(app)
        return app


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Change its parts, then take its ``client``."""
    made = Gateway()
    yield made
    for app in made.apps:
        close(app)
