"""`servoir doctor` names what is wrong with a set-up, in words that lead to the cure."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.model_folder import read_model_folder
from cli.store import Store
from tests.parts import ROOT, free_port, start_redis
from tests.unit.cli.model_folders import make_model_folder

Findings = dict[str, dict[str, str]]


class Patient:
    """A set-up to examine, sound at first, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        names = ("http", "gateway", "registry", "redis", "mongo")
        names += ("registry_metrics", "dispatcher_metrics", "jobs_metrics")
        self.ports = {name: free_port() for name in names}
        self.models: list[dict[str, object]] = []
        self.settings: dict[str, object] = {}

    def examine(self, **variables: str) -> Findings:
        """Return the findings that are not right, by what they are about."""
        findings = self.everything(**variables)
        return {what: finding for what, finding in findings.items() if finding["verdict"] == "wrong"}

    def everything(self, **variables: str) -> Findings:
        """Return all findings, by what they are about; where there are several, the last that is wrong."""
        config = self.folder / "servoir.yaml"
        config.write_text(json.dumps({"models": self.models, "ports": self.ports, "settings": self.settings}))
        told = {"SERVOIR_HOME": str(self.home), "SERVOIR_CONFIG": str(config), **variables}
        command = [sys.executable, "-m", "cli.main", "doctor", "--json"]
        answer = subprocess.run(command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True)
        findings = sorted(json.loads(answer.stdout), key=lambda finding: str(finding["verdict"] == "wrong"))
        assert answer.returncode == any(finding["verdict"] == "wrong" for finding in findings), answer.stderr
        return {finding["what"]: finding for finding in findings}


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


@pytest.fixture
def late_redis() -> Iterator[str]:
    """Stands for a Redis whose clock is a minute behind; it knows the two commands of the examination."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    if b"TIME" in connection.recv(1000):
                        told = str(int(time.time()) - 60).encode()
                        connection.sendall(b"*2\r\n$%d\r\n%s\r\n$1\r\n0\r\n" % (len(told), told))
                    else:
                        connection.sendall(b"*2\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_sound_set_up_has_nothing_wrong(patient: Patient) -> None:
    assert patient.examine() == {}


def test_a_taken_port_is_named_with_its_holder(patient: Patient) -> None:
    with socket.create_server(("127.0.0.1", patient.ports["http"])):
        wrong = patient.examine()

    assert list(wrong) == ["ports"]
    assert f"port {patient.ports['http']} (for nginx) is taken by process {os.getpid()}" in wrong["ports"]["found"]


def test_a_mongod_that_is_too_old_is_named(patient: Patient, tmp_path: Path) -> None:
    old = tmp_path / "mongod"
    old.write_text("#!/bin/sh\necho 'db version v4.4.29'\n")
    old.chmod(0o755)

    wrong = patient.examine(SERVOIR_MONGOD=str(old))

    assert list(wrong) == ["MongoDB"]
    assert "4.4.29" in wrong["MongoDB"]["found"] and "6.0" in wrong["MongoDB"]["found"]
    assert "SERVOIR_MONGOD" in wrong["MongoDB"]["advice"]


def test_a_redis_without_an_append_only_file_is_named(patient: Patient, tmp_path: Path) -> None:
    server, url = start_redis(tmp_path, appendonly="no")
    try:
        wrong = patient.examine(SERVOIR_REDIS_URL=url)
    finally:
        server.stop()

    assert list(wrong) == ["Redis"]
    assert "appendonly yes" in wrong["Redis"]["advice"]


def test_a_redis_as_it_should_be_is_right(patient: Patient, redis_url: str) -> None:
    assert patient.examine(SERVOIR_REDIS_URL=redis_url) == {}


def test_a_clock_that_is_wrong_is_named(patient: Patient, late_redis: str) -> None:
    wrong = patient.examine(SERVOIR_REDIS_URL=late_redis)

    assert list(wrong) == ["clock"]
    assert "behind" in wrong["clock"]["found"] and "NTP" in wrong["clock"]["advice"]


def test_a_damaged_model_file_is_named(patient: Patient) -> None:
    source = make_model_folder(patient.folder)
    patient.models = [{"model": str(source), "replicas": 0}]
    stored = Store(patient.home / "store").add(read_model_folder(source))
    weights = stored / "net" / "weights.bin"
    weights.chmod(0o644)
    weights.write_bytes(b"Weights of a network")

    wrong = patient.examine()

    assert list(wrong) == ["model store"]
    assert "net/weights.bin: sha256 differ" in wrong["model store"]["found"]
    assert "publish it again" in wrong["model store"]["advice"]


def test_servers_that_are_away_are_named(patient: Patient) -> None:
    redis_url, mongo_url = f"redis://127.0.0.1:{free_port()}/0", f"mongodb://127.0.0.1:{free_port()}"

    wrong = patient.examine(SERVOIR_REDIS_URL=redis_url, SERVOIR_MONGO_URL=mongo_url)

    assert "SERVOIR_REDIS_URL" in wrong["Redis"]["advice"]
    assert "SERVOIR_MONGO_URL" in wrong["MongoDB"]["advice"]


def test_servers_that_servoir_yaml_names_are_examined(patient: Patient) -> None:
    patient.settings = {"redis_url": f"redis://127.0.0.1:{free_port()}/0"}

    assert list(patient.examine()) == ["Redis"]


def test_a_mongodb_of_ones_own_is_examined_too(patient: Patient, mongo_url: str) -> None:
    assert patient.examine(SERVOIR_MONGO_URL=mongo_url) == {}


def test_the_environment_is_told(patient: Patient) -> None:
    assert "production" in patient.everything(SERVOIR_ENV="production")["environment"]["found"]
    assert patient.everything()["environment"]["found"] == "development"


def test_unknown_settings_are_named(patient: Patient) -> None:
    patient.settings = {"gateway_workerz": 3}

    wrong = patient.examine()

    assert "SERVOIR_GATEWAY_WORKERZ: no such setting; SERVOIR_GATEWAY_WORKERS?" in wrong["configuration"]["found"]
    assert "docs/settings.md" in wrong["configuration"]["advice"]
