"""Photographs through nginx, answered by a real detector in its container."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from demo import pictures
from tests.cache import demo_model
from tests.compose.deployment import Deployment
from tests.parts import wait_until


@pytest.fixture(scope="module")
def detector(deployment: Deployment) -> Iterator[str]:
    """The key of the demo's detector, served."""
    shutil.copytree(demo_model("demo-coco_things-1"), deployment.folder / "models" / "detector")
    deployment.scale("model-detector", 1)
    key = deployment.release("detector")
    deployment.await_healthy("model-detector", 1)
    yield key
    deployment.scale("model-detector", 0)


def _post(deployment: Deployment, key: str, names: list[str], headers: dict[str, str]) -> httpx.Response:
    files = [("image", (name, pictures.path(name).read_bytes())) for name in names]
    address = f"{deployment.url}/api/vision/v3/predict/bbox"
    return httpx.post(address, params={"q": key}, files=files, headers=headers, timeout=60)


def test_photographs_through_nginx_are_answered(deployment: Deployment, detector: str) -> None:
    client = {"X-Api-Key": deployment.create_key("ann")}

    answer = _post(deployment, detector, ["chelsea", "coffee", "astronaut"], client)

    assert answer.status_code == 200, answer.text
    found = {
        name: {region["region_attributes"]["label"] for region in told["regions"]}
        for name, told in answer.json()["result"].items()
    }
    assert "cat" in found["chelsea"] and "cup" in found["coffee"] and "person" in found["astronaut"]


def test_photographs_reach_the_model_through_shared_memory(deployment: Deployment, detector: str) -> None:
    client = {"X-Api-Key": deployment.create_key("sharing")}
    before = _payloads(deployment, detector)

    assert _post(deployment, detector, ["chelsea", "coffee"], client).status_code == 200

    wait_until(lambda: sum(_payloads(deployment, detector).values()) == sum(before.values()) + 2, what="both counted")
    assert _payloads(deployment, detector)["memory"] == before["memory"] + 2


def _payloads(deployment: Deployment, key: str) -> Counter[str]:
    """Return how many payloads of a model its dispatchers gave away in each way."""
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8603/metrics').read().decode())"
    ids = [it["Id"] for it in deployment.containers("dispatcher")]
    shown = "".join(deployment.docker("exec", it, "python3", "-c", script) for it in ids)
    counted = re.findall(rf'^servoir_queue_payloads_total{{model="{key}",way="(.+)"}} (.+)$', shown, re.MULTILINE)
    return sum((Counter({way: int(float(count))}) for way, count in counted), Counter())


def test_nobody_without_a_key_is_answered(deployment: Deployment) -> None:
    answer = _post(deployment, "acme-echo-1", ["coffee"], {})

    assert answer.status_code == 401


def test_figures_are_not_shown_outside(deployment: Deployment) -> None:
    assert httpx.get(f"{deployment.url}/metrics", headers=deployment.operator).status_code == 404
