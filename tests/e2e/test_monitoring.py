"""What Prometheus and Grafana see of a suite that runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from demo import pictures
from tests.e2e.conftest import DETECTOR
from tests.e2e.running import RunningSuite, regions
from tests.integration.deploy.queries import PROMETHEUS, shown_metrics, wanted_metrics
from tests.parts import Server, absent, free_port, wait_until

_ONLY_WITH_A_GPU = {"servoir_model_server_gpu_busy_ratio", "servoir_model_server_gpu_used_bytes"} | {
    "servoir_model_server_gpu_memory_bytes"
}


def metrics_ports(suite: RunningSuite) -> list[int]:
    """Return the ports that show metrics: the gateway's, the registry's, the dispatcher's, one of each model server."""
    names = ("gateway", "registry_metrics", "dispatcher_metrics", "jobs_metrics")
    servers = [row["ports"][1] for name, row in suite.processes().items() if name.startswith("model-")]
    return [suite.ports[name] for name in names] + servers


def test_every_metric_that_is_asked_for_is_shown(suite: RunningSuite) -> None:
    regions(suite.post(pictures.path("coffee").read_bytes(), key=DETECTOR))

    shown = {
        metric
        for port in metrics_ports(suite)
        for metric in shown_metrics(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
    }

    assert wanted_metrics() - shown - _ONLY_WITH_A_GPU == set()


def test_a_gateways_figures_are_those_of_all_its_processes(suite: RunningSuite) -> None:
    picture = pictures.path("coffee").read_bytes()
    before = _images(suite)
    gateway = psutil.Process(int(suite.processes()["gateway"]["pid"]))

    for _ in range(12):  # each by a connection of its own
        regions(suite.post(picture, key=DETECTOR))

    assert len(gateway.children()) == 2
    assert {_images(suite) for _ in range(8)} == {before + 12}


def _images(suite: RunningSuite) -> float:
    """Return how many of the detector's images the gateway says that it answered."""
    text = httpx.get(f"http://127.0.0.1:{suite.ports['gateway']}/metrics").text
    wanted = f'servoir_gateway_images_total{{model="{DETECTOR}",status="200"}}'
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(wanted))


def test_nobody_sees_metrics_through_the_front_door(suite: RunningSuite) -> None:
    for path in ("/metrics", "/metrics?x=1", "//metrics", "/metrics/", "/%6detrics", "/x/../metrics", "/metrics%2f"):
        answer = httpx.get(suite.url + path)

        assert answer.status_code == 404, path
        assert answer.json()["status"] == 404 and "servoir_" not in answer.text


@pytest.fixture
def prometheus_folder(suite: RunningSuite, tmp_path: Path) -> Path:
    """Our configuration, on this suite's ports, asking often."""
    folder = tmp_path / "prometheus"
    shutil.copytree(PROMETHEUS, folder)
    moved = {8090: "gateway", 8602: "registry_metrics", 8603: "dispatcher_metrics", 8604: "jobs_metrics"}
    for file in (folder / "prometheus.yml", folder / "targets" / "suite.yml"):
        text = file.read_text().replace("15s", "1s")
        for port, name in moved.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{suite.ports[name]}")
        file.write_text(text)
    return folder


def test_prometheus_finds_every_service_and_reckons_our_records(
    suite: RunningSuite, prometheus_folder: Path, tmp_path: Path
) -> None:
    if not (binary := shutil.which("prometheus")):
        absent("no prometheus: install Debian's package prometheus")
    url = f"http://127.0.0.1:{free_port()}"
    listen = f"--web.listen-address={url.removeprefix('http://')}"
    data = f"--storage.tsdb.path={tmp_path / 'data'}"
    command = [binary, f"--config.file={prometheus_folder / 'prometheus.yml'}", listen, data]
    server = Server(command, lambda: _answers(f"{url}/-/ready"), tmp_path / "prometheus.log")
    try:
        wait_until(lambda: len(_up(url)) == len(metrics_ports(suite)), timeout_s=60, what="all targets are up")
        for _ in range(3):
            regions(suite.post(pictures.path("coffee").read_bytes(), key=DETECTOR))
        wait_until(lambda: _ask(url, "sum(servoir:requests:rate5m) > 0"), timeout_s=60, what="a record")

        assert {labels["service"] for labels in _up(url)} == {"gateway", "registry", "queue", "jobs", "model_server"}
        assert DETECTOR in {labels.get("model") for labels in _up(url)}
        named = _ask(url, 'nv_inference_request_success{model="demo-coco_things",version="1"} > 0')
        assert named and _ask(url, f'servoir_model_server_ready{{model="{DETECTOR}"}} == 1')
        assert _ask(url, 'ALERTS{severity="critical",alertstate="firing"}') == []
    finally:
        server.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _ask(url: str, query: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query})
    found: list[dict[str, Any]] = json.loads(answer.text)["data"]["result"]
    return found


def _up(url: str) -> list[dict[str, str]]:
    """Return the labels of all targets that answer."""
    return [series["metric"] for series in _ask(url, "up == 1")]
