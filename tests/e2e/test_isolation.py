"""One model leaks, or is ended by its input; its neighbour on the same machine does not notice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.running import RunningSuite
from tests.e2e.traffic import Traffic, picture, post
from tests.parts import wait_until
from tests.unit.cli.model_folders import make_model_folder

LEAKY, CALM = "acme-leaky-1", "acme-calm-1"
LEAKING, DEADLY = 5000, 6000
"""The lengths of pictures that make the leaky model leak, and end its process."""


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    parent = tmp_path_factory.mktemp("isolation")
    faults = f"leak_bytes: {16 * 2**20}, leak_length: {LEAKING}, crash_length: {DEADLY}"
    leaky = make_model_folder(parent, LEAKY, more=f"config: {{delay_s: 0.005, {faults}}}\n")
    calm = make_model_folder(parent, CALM, more="config: {delay_s: 0.005}\n")
    # Leases that outlive a restart on a busy machine: requests wait for it then.
    leaky_entry = {"model": str(leaky), "replicas": 2, "memory_cap": "250MiB", "settings": {"lease_ttl_s": 30}}
    running = RunningSuite(parent / "home", [leaky_entry, {"model": str(calm)}], gateway_workers=2)
    running.up()
    yield running
    running.run("down")
    assert running.left_over() == []


def _ends(suite: RunningSuite) -> list[dict[str, object]]:
    """Return what the leaky model's servers said when they ended at their cap."""
    logs = sorted(suite.home.glob(f"logs/model-{LEAKY}-*.log"))
    lines = itertools.chain.from_iterable(log.read_text(errors="replace").splitlines() for log in logs)
    events = (json.loads(line) for line in lines if line.startswith("{"))
    return [event for event in events if event["event"] == "memory_cap_exceeded"]


def _all_serve(suite: RunningSuite) -> bool:
    return all(row["serving"] for row in suite.processes().values())


def test_a_model_that_leaks_ends_at_its_cap_and_is_answered_by_its_other_replica(two_models: RunningSuite) -> None:
    wait_until(lambda: _all_serve(two_models), timeout_s=120, what="all serve")
    before = {name: row["pid"] for name, row in two_models.processes().items()}
    sizes = itertools.cycle([LEAKING, *[1000] * 9])

    with (
        Traffic(two_models.url, CALM) as neighbour,
        Traffic(two_models.url, LEAKY, clients=2, content=lambda: picture(next(sizes))) as leaking,
    ):
        wait_until(lambda: _ends(two_models), timeout_s=120, what="a server of the leaky model has ended at its cap")
    wait_until(lambda: _all_serve(two_models), timeout_s=120, what="what ended is started again")

    assert {event["exit_code"] for event in _ends(two_models)} == {6}
    after = {name: row["pid"] for name, row in two_models.processes().items()}
    assert {name.rpartition("-")[0] for name in before if before[name] != after[name]} == {f"model-{LEAKY}"}
    assert neighbour.failures() == [] and len(neighbour.seen) > 50
    assert leaking.failures() == [] and len(leaking.seen) > 50


def test_an_input_that_ends_its_server_fails_alone_and_goes_to_the_quarantine(two_models: RunningSuite) -> None:
    wait_until(lambda: _all_serve(two_models), timeout_s=120, what="all serve")

    with (
        Traffic(two_models.url, CALM) as neighbour,
        Traffic(two_models.url, LEAKY, clients=4, pause_s=0.0) as beside,
        httpx.Client(timeout=90) as client,
    ):
        wait_until(lambda: beside.seen and neighbour.seen, what="both models answer")
        poisoned = post(client, two_models.url, LEAKY, picture(DEADLY))

    assert (poisoned.status, poisoned.said) == (500, "the model ended, or failed, on this input every time")
    assert neighbour.failures() == [] and beside.failures() == []
    (item,) = json.loads(two_models.run("quarantine", "list", LEAKY, "--json").stdout)
    assert item["bytes"] == DEADLY and len(item["failures"]) == 3
    assert item["id"] in two_models.run("quarantine", "list", LEAKY).stdout
    assert two_models.run("quarantine", "drop", LEAKY, item["id"]).stdout == "dropped: 1\n"
