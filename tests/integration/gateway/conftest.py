"""A gateway process in a whole suite of real ones; the model is an echo."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.chaos.world import World
from tests.parts import wait_until

PREDICT = "/api/vision/v3/predict/bbox"


def serving(world: World) -> bool:
    """Say whether a prediction goes through."""
    try:
        return predict(world, timeout_s=5).status_code == 200
    except httpx.HTTPError:
        return False


def predict(
    world: World, *, name: str = "a.gif", timeout_s: float = 10, patience_s: float = 0.0, **how: object
) -> httpx.Response:
    """Post one small picture for the echo model; with *patience_s* give up after it."""
    files = {"image": (name, b"GIF89a\5\0\5\0" + name.encode())}
    headers = {"X-Request-Timeout-S": str(timeout_s)} | dict(how.pop("headers", {}))  # type: ignore[call-overload]
    url = f"http://{world.gateways[0]}{PREDICT}?q=chaos-echo-1"
    return httpx.post(url, files=files, headers=headers, timeout=patience_s or timeout_s + 10, verify=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), dispatchers=1, model_servers=1, gateways=1)
    wait_until(lambda: serving(made), what="the suite serves")
    yield made
    made.stop()
