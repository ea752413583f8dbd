"""A service as it is started by hand: it says how it is told, and what keeps it from starting."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.settings import environment
from tests.parts import ROOT

SERVICES = ("gateway", "jobs", "model_server", "queue", "registry")


def start(service: str, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"services.{service}", *options]
    return subprocess.run(command, cwd=ROOT, env={**environment(), **env}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("service", SERVICES)
def test_help_is_given_and_nothing_started(service: str) -> None:
    answer = start(service, "--help")

    assert answer.returncode == 0, answer.stderr
    assert f"usage: python -m services.{service}" in answer.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_an_option_that_nobody_knows_is_refused(service: str) -> None:
    answer = start(service, "--prot", "8080")

    assert answer.returncode == 2
    assert "--prot" in answer.stderr


@pytest.mark.parametrize("service", ["jobs", "queue"])
def test_a_taken_port_of_metrics_is_named_with_what_to_do(service: str, redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = {"SERVOIR_METRICS_PORT": str(port), "SERVOIR_JOBS_FOLDER": str(tmp_path)}
        answer = start(service, SERVOIR_REDIS_URL=redis_url, **told)

    assert answer.returncode == 1
    assert f"cannot show metrics on 127.0.0.1:{port}: Address already in use" in answer.stderr
    assert "SERVOIR_METRICS_PORT" in answer.stderr and "Traceback" not in answer.stderr
