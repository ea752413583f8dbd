"""The life of a suite without models, which starts in seconds: up, again, a part killed, a port taken, down."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.waiting import listens
from tests.e2e.running import RunningSuite
from tests.integration.deploy.doors import certificate
from tests.parts import wait_until


@pytest.fixture
def small_suite(tmp_path: Path) -> Iterator[RunningSuite]:
    running = RunningSuite(tmp_path / "home", [])
    yield running
    running.run("down")


def test_down_leaves_no_process_and_the_next_up_finds_the_data(small_suite: RunningSuite) -> None:
    small_suite.up()
    assert len(small_suite.left_over()) >= 7

    answer = small_suite.run("down")

    assert answer.returncode == 0
    assert small_suite.left_over() == []
    small_suite.up()
    assert small_suite.run("status").returncode == 0


def test_down_ends_what_outlived_its_supervisor(small_suite: RunningSuite) -> None:
    small_suite.up()
    supervisor = int((small_suite.home / "run" / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    assert len(small_suite.left_over()) >= 6

    assert small_suite.run("down").returncode == 0

    assert small_suite.left_over() == []
    assert not any(listens(port) for port in small_suite.ports.values())


def test_a_part_that_is_killed_is_started_again(small_suite: RunningSuite) -> None:
    small_suite.up()
    pid = small_suite.processes()["dispatcher"]["pid"]

    psutil.Process(pid).kill()

    wait_until(lambda: small_suite.processes()["dispatcher"]["pid"] not in (0, pid), what="the dispatcher is back")


def test_a_taken_port_is_an_error_that_names_who_holds_it(small_suite: RunningSuite) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", small_suite.ports["registry"]))
        taken.listen()

        answer = small_suite.run("up")

    assert answer.returncode == 5
    assert f"port {small_suite.ports['registry']} (for registry) is taken by process {os.getpid()}" in answer.stderr
    assert "servoir.yaml" in answer.stderr
    assert small_suite.left_over() == []


def test_a_variable_stands_over_a_port_in_the_file(small_suite: RunningSuite) -> None:
    other = str(small_suite.first_port + 15)

    answer = small_suite.run("up", SERVOIR_HTTP_PORT=other)

    assert answer.returncode == 0, answer.stderr
    assert f"It answers at http://127.0.0.1:{other}" in answer.stdout


def test_nginx_keeps_its_certificate_under_commands_that_are_not_told_of_it(
    small_suite: RunningSuite, tmp_path: Path
) -> None:
    chain, key = certificate(tmp_path)
    told = {"SERVOIR_TLS_CERTIFICATE": str(chain), "SERVOIR_TLS_KEY": str(key)}
    port = small_suite.first_port + 18
    assert small_suite.run("up", SERVOIR_HTTPS_PORT=str(port), **told).returncode == 0

    for command in (["status"], ["doctor"], ["install", "--dry-run", "--user", "daemon"]):
        small_suite.run(*command)
    renewed, _ = certificate(tmp_path)
    answer = small_suite.run("restart", "nginx")

    assert answer.returncode == 0, answer.stderr
    assert ssl.get_server_certificate(("127.0.0.1", port)).split() == renewed.read_text().split()


def test_a_mongodb_that_is_away_is_an_error_that_names_its_url(small_suite: RunningSuite) -> None:
    url = f"mongodb://127.0.0.1:{small_suite.first_port + 16}/?replicaSet=rs0&serverSelectionTimeoutMS=500"

    answer = small_suite.run("up", SERVOIR_MONGO_URL=url)

    assert answer.returncode == 5
    assert "registry does not start" in answer.stderr
    assert f"127.0.0.1:{small_suite.first_port + 16}" in answer.stderr


def test_without_a_suite_each_command_says_how_to_start_one(small_suite: RunningSuite) -> None:
    for command in (["status"], ["models"], ["scale", "demo-coco_things-1", "2"]):
        answer = small_suite.run(*command)
        assert answer.returncode == 4
        assert "servoir up" in answer.stderr
