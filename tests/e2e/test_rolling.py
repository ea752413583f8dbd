"""Every part of a suite is replaced while requests come, as docs/operations.md tells; none fails."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from services.registry.client import RegistryClient
from tests.e2e.rolling import KEY, Rolling, some_more
from tests.e2e.running import RunningSuite
from tests.e2e.traffic import JPEG, Patient, Traffic, post
from tests.parts import wait_until
from tests.unit.cli.model_folders import make_model_folder


def serves(rolling: Rolling) -> bool:
    with httpx.Client(timeout=10) as client:
        return post(client, rolling.url, KEY, JPEG).status == 200


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolling]:
    made = Rolling(tmp_path_factory.mktemp("rolling"))
    wait_until(lambda: serves(made), what="it serves")
    yield made
    made.stop()


def test_gateways_take_up_new_code_by_a_reload(rolling: Rolling) -> None:
    with rolling.traffic(clients=6) as traffic:
        some_more(traffic)
        for name in ("gateway-0", "gateway-1"):
            old = rolling.workers(name)
            rolling.parts[name].process.send_signal(signal.SIGHUP)
            wait_until(lambda name=name, old=old: rolling.workers(name) and not rolling.workers(name) & old, what="new")
            some_more(traffic)

    assert traffic.failures() == []


@pytest.mark.parametrize(
    "names",
    [("gateway-0", "gateway-1"), ("dispatcher-0", "dispatcher-1"), ("registry",)],
    ids=["gateways", "dispatchers", "registry"],
)
def test_parts_are_replaced_one_after_the_other(rolling: Rolling, names: tuple[str, ...]) -> None:
    with rolling.traffic(clients=6) as traffic:
        some_more(traffic)
        for name in names:
            rolling.replace(name)
            some_more(traffic, 200)

    assert traffic.failures() == []


def test_model_servers_are_replaced_one_after_the_other(rolling: Rolling) -> None:
    with rolling.traffic(clients=6) as traffic:
        some_more(traffic)
        for name in ("model-server-0", "model-server-1"):
            started = rolling.times_logged(name, "model_serving")
            rolling.replace(name)
            wait_until(lambda name=name, n=started: rolling.times_logged(name, "model_serving") > n, what="it serves")
            answered = rolling.times_logged(name, "batch_answered")
            wait_until(lambda name=name, n=answered: rolling.times_logged(name, "batch_answered") > n, what="it works")

    assert traffic.failures() == []


def test_the_only_dispatcher_is_replaced_and_requests_wait(rolling: Rolling) -> None:
    rolling.parts["dispatcher-1"].terminate()
    with rolling.traffic(clients=6) as traffic:
        some_more(traffic)
        rolling.replace("dispatcher-0")
        some_more(traffic)
    rolling.parts["dispatcher-1"].start()

    assert traffic.failures() == []


def test_redis_is_restarted_and_whoever_asks_again_as_told_is_answered(rolling: Rolling) -> None:
    with Patient(rolling.url, KEY, clients=6) as clients:
        wait_until(lambda: len(clients.answered) > 60, what="load is on")
        rolling.replace("redis")
        before = len(clients.answered)
        wait_until(lambda: clients.wrong or len(clients.answered) > before + 200, timeout_s=60, what="answers again")

    assert clients.wrong == []
    wait_until(lambda: set(clients.answered) <= {run.request_id for run in rolling.executed()}, what="all are logged")


def test_one_command_restarts_a_suite_on_one_machine(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, "acme-echo-1", more="config: {delay_s: 0.005}\n")
    suite = RunningSuite(tmp_path / "home", [{"model": str(folder), "memory_cap": "500MiB"}], gateway_workers=1)
    suite.up()
    try:
        before = suite.processes()
        gateways = {child.pid for child in psutil.Process(before["gateway"]["pid"]).children()}
        with Traffic(suite.url, "acme-echo") as traffic:
            answer = suite.run("restart", "--json")
        after = suite.processes()

        assert answer.returncode == 0, answer.stderr + suite.tails()
        assert json.loads(answer.stdout)["restarted"][-3:] == ["acme-echo-1", "gateway", "nginx"]
        assert traffic.failures() == [], suite.tails()
        same = {name for name, row in after.items() if row["pid"] == before[name]["pid"]}
        assert same == {"mongod", "valkey", "gateway", "nginx"}
        assert not gateways & {child.pid for child in psutil.Process(after["gateway"]["pid"]).children()}
    finally:
        suite.run("down")
    assert suite.left_over() == []


def test_when_mongodbs_primary_dies_predictions_go_on_and_usage_stays_exact(tmp_path: Path) -> None:
    rolling = Rolling(tmp_path / "world", three_nodes=True)
    try:
        wait_until(lambda: serves(rolling), what="it serves")
        with rolling.traffic(clients=6) as traffic:
            some_more(traffic)
            first = rolling.primary()
            rolling.parts[first].kill()
            some_more(traffic, 200)
            wait_until(lambda: rolling.primary() != first, timeout_s=60, what="another primary")
            some_more(traffic)

        assert traffic.failures() == []
        asked = len(traffic.seen) + 1  # the one that found it serving
        wait_until(lambda: len(rolling.counted()) >= asked, timeout_s=60, what="usage is written")
        assert len(rolling.counted()) >= asked
        registry = RegistryClient(rolling.registry_address)
        registry.set_status(KEY, "released", actor="test")
        rolling.parts[first].start()
        registry.close()
    finally:
        rolling.stop()
