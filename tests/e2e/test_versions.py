"""Versions replace each other, and servers come and go, while requests are answered: none fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import RunningSuite
from tests.e2e.traffic import Traffic
from tests.parts import wait_until
from tests.unit.cli.model_folders import make_model_folder

SHORT = "acme-echo"
MOST_GROWTH_BYTES = 64 * 2**20


@pytest.fixture
def echo_suite(tmp_path: Path) -> Iterator[RunningSuite]:
    """A suite that serves version 1 of an echo model; only model servers differ from the quickstart."""
    folder = _folder(tmp_path, 1)
    running = RunningSuite(tmp_path / "home", [{"model": str(folder), "memory_cap": "500MiB"}], gateway_workers=2)
    running.up()
    yield running
    running.run("down")
    assert running.left_over() == []


def _folder(parent: Path, version: int, *, config: str = "delay_s: 0.005") -> Path:
    weights = f"version {version}".encode()
    return make_model_folder(parent, f"{SHORT}-{version}", more=f"config: {{{config}}}\n", weights=weights)


def _publish(suite: RunningSuite, parent: Path, version: int, **config: str) -> str:
    answer = suite.run("publish", str(_folder(parent, version, **config)))
    assert answer.returncode == 0, answer.stderr
    return f"{SHORT}-{version}"


def _done(suite: RunningSuite, *arguments: str) -> str:
    """Run a command that must succeed; return what it said."""
    answer = suite.run(*arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr + suite.tails()
    return answer.stdout


def _servers(suite: RunningSuite) -> dict[str, int]:
    """Return the model servers' process ids."""
    return {name: int(row["pid"]) for name, row in suite.processes().items() if name.startswith("model-")}


def _resident(suite: RunningSuite) -> int:
    """Return what our own processes take; the stores grow with what they keep."""
    ours = [process for process in suite.left_over() if "services." in " ".join(process.cmdline())]
    return sum(int(process.memory_info().rss) for process in ours)


@pytest.mark.parametrize("swaps", [4, pytest.param(100, marks=[pytest.mark.chaos_long, pytest.mark.timeout(7200)])])
def test_no_request_fails_while_versions_replace_each_other(
    echo_suite: RunningSuite, tmp_path: Path, swaps: int
) -> None:
    key = _publish(echo_suite, tmp_path, 2)
    versions = {f"{SHORT}-1", key}
    with Traffic(echo_suite.url, SHORT) as traffic:
        _done(echo_suite, "release", key, "--settle", "0.5")
        processes, resident = len(echo_suite.left_over()), _resident(echo_suite)

        for version in range(3, swaps + 1):
            key = _publish(echo_suite, tmp_path, version)
            versions.add(key)
            _done(echo_suite, "release", key, "--settle", "0.5")
        _done(echo_suite, "release", f"{SHORT}-1", "--settle", "0.5")
        wait_until(lambda: traffic.seen[-1].said == f"{SHORT}-1", what="the first version answers again")

        assert len(echo_suite.left_over()) == processes
        assert _resident(echo_suite) < resident + MOST_GROWTH_BYTES
    assert traffic.failures() == []
    assert traffic.answered_by() == versions
    assert set(_servers(echo_suite)) == {f"model-{SHORT}-1-0"}


def test_the_default_of_the_task_follows_and_the_next_up_keeps_what_was_released(
    echo_suite: RunningSuite, tmp_path: Path
) -> None:
    key = _publish(echo_suite, tmp_path, 2)
    _done(echo_suite, "scale", f"{SHORT}-1", "2")
    with Traffic(echo_suite.url, "") as traffic:
        _done(echo_suite, "release", key)
        before = _servers(echo_suite)

        _done(echo_suite, "up")

    assert set(before) == {f"model-{key}-0", f"model-{key}-1"}
    assert _servers(echo_suite) == before
    assert traffic.failures() == []
    assert traffic.seen[-1].said == key


def test_a_new_version_that_does_not_load_changes_nothing(echo_suite: RunningSuite, tmp_path: Path) -> None:
    key = _publish(echo_suite, tmp_path, 2, config="no_such_field: 1")
    before = _servers(echo_suite)
    with Traffic(echo_suite.url, SHORT) as traffic:
        answer = echo_suite.run("release", key)

    assert answer.returncode == 5
    assert "no_such_field: unknown" in answer.stderr and "Nothing has changed" in answer.stderr
    assert _servers(echo_suite) == before
    assert traffic.failures() == []
    assert traffic.answered_by() == {f"{SHORT}-1"}


def test_a_version_that_is_still_asked_for_by_its_whole_key_is_served_on_until_it_is_retired(
    echo_suite: RunningSuite, tmp_path: Path
) -> None:
    key = _publish(echo_suite, tmp_path, 2)
    with Traffic(echo_suite.url, f"{SHORT}-1") as loyal, Traffic(echo_suite.url, SHORT) as moved:
        answer = echo_suite.run("release", key, "--patience", "2")
        wait_until(lambda: moved.seen[-1].said == key, what="the short key finds the new version")

    assert answer.returncode == 1
    assert f"requests still come for {SHORT}-1" in answer.stderr and f"servoir retire {SHORT}-1" in answer.stderr
    assert set(_servers(echo_suite)) == {f"model-{SHORT}-1-0", f"model-{key}-0"}
    assert loyal.failures() == [] and moved.failures() == []
    _done(echo_suite, "retire", f"{SHORT}-1")
    assert set(_servers(echo_suite)) == {f"model-{key}-0"}


def test_no_request_fails_while_a_model_is_scaled_up_and_down(echo_suite: RunningSuite) -> None:
    key = f"{SHORT}-1"
    with Traffic(echo_suite.url, SHORT, clients=6) as traffic:
        first = _servers(echo_suite)
        _done(echo_suite, "scale", key, "3")
        wait_until(lambda: _all_work(echo_suite), what="all three servers have answered some")
        _done(echo_suite, "scale", key, "1")

    assert traffic.failures() == []
    assert _servers(echo_suite) == first


def _all_work(suite: RunningSuite) -> bool:
    items = [row["items"] for name, row in suite.processes().items() if name.startswith("model-")]
    return len(items) == 3 and all(items)
