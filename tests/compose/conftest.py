"""The deployment that all tests of Compose share, brought up once; `make test-compose` has built its images."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.compose.deployment import Deployment
from tests.model_folders import echo_folder
from tests.parts import free_port

LEAK_LENGTH = 54_321


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the deployment; what does not is part of `make test`."""
    for item in items:
        if "deployment" in getattr(item, "fixturenames", ()) and "/tests/compose/" in item.path.as_posix():
            item.add_marker(pytest.mark.compose)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Everything but the detector, started; the echo model is released."""
    if "SERVOIR_TEST_COMPOSE" not in os.environ:
        pytest.fail("run these tests with `make test-compose`, which gives them an engine and images")
    folder = tmp_path_factory.mktemp("compose")
    echo_folder(folder / "models" / "acme-echo-1", config={"delay_s": 0.02})
    leak = {"leak_length": LEAK_LENGTH, "leak_bytes": 400 * 2**20}
    echo_folder(folder / "models" / "acme-leaky-1", problem_id="leaky", config=leak)
    made = Deployment(folder, int(os.environ.get("SERVOIR_TEST_COMPOSE_PORT") or free_port()))
    made.down()
    try:
        made.up("--scale", "model-detector=0")
        made.release("acme-echo-1")
        made.release("acme-leaky-1")
        made.await_healthy("model-echo", 1)
        yield made
    finally:
        made.down()
