"""The suite that end-to-end tests share: two models, one of them with two replicas, started once by ``servoir up``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.running import RunningSuite

DETECTOR, CLASSIFIER = "demo-coco_things-1", "demo-imagenet-1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what starts whole suites last: a mistake shows early, and no suite idles beside other tests."""
    items.sort(key=lambda item: any(place in item.path.as_posix() for place in ("tests/chaos/", "tests/e2e/")))
    for item in items:
        if "/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    models: list[dict[str, object]] = [{"model": DETECTOR, "replicas": 2}, {"model": CLASSIFIER}]
    running = RunningSuite(tmp_path_factory.mktemp("e2e") / "home", models, gateway_workers=2)
    running.said = running.up().stdout
    yield running
    answer = running.run("down")
    assert answer.returncode == 0, answer.stderr
    assert running.left_over() == []
