"""One command at a time changes what runs here; none ends what another lets finish, or starts what another ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import leftovers
from cli.errors import Stop
from cli.programs import Program
from cli.renewal import Renewal
from cli.rollout import Rollout
from cli.settings import Settings
from cli.suite import Suite
from cli.supervision import Away
from tests.integration.cli.draining import Draining
from tests.parts import ROOT, free_port, wait_until
from tests.unit.cli.model_folders import make_model_folder

KEY = "acme-things-1"


class Machine:
    """A machine with a servoir.yaml of one model without servers; its supervisor runs what a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.config = folder / "home", folder / "servoir.yaml"
        self.ports = {name: free_port() for name in ("http", "gateway", "model", "model_metrics")}
        models = [{"model": str(make_model_folder(folder)), "replicas": 0}]
        self.config.write_text(json.dumps({"models": models, "ports": self.ports}))
        self.suite = Suite(Settings(home=self.home, config=self.config))
        self.supervisor = self.suite.supervisor

    def servoir(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        told = {"SERVOIR_HOME": str(self.home), "SERVOIR_CONFIG": str(self.config)}
        command = [sys.executable, "-m", "cli.main", *arguments]
        # Apart from the tests: a signal to its whole process group must not reach them.
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True, start_new_session=True
        )

    def runs(self, *programs: Program) -> None:
        """Return once *programs* run, under the supervisor."""
        self.supervisor.configure(programs)
        for program in programs:
            self.supervisor.start(program.name)
            wait_until(lambda name=program.name: self.supervisor.process(name).state == "RUNNING", what=program.name)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    leftovers.end(made.home)


def test_down_leaves_alone_what_another_command_changes_and_says_who_that_is(machine: Machine) -> None:
    machine.runs(Program("slow", [sys.executable, "-c", "import time; time.sleep(600)"]))

    with machine.suite.changing():
        answer = machine.servoir("down")

    assert answer.returncode == 1
    assert f"(process {os.getpid()}) is changing what runs here" in answer.stderr
    assert f"kill -INT {os.getpid()}" in answer.stderr
    assert machine.supervisor.process("slow").state == "RUNNING"
    assert machine.servoir("down").returncode == 0
    assert leftovers.find(machine.home) == []


def test_what_a_broken_off_down_lets_finish_does_so_under_the_next_one(machine: Machine) -> None:
    slow = Draining(machine.home.parent)
    machine.runs(slow.program)
    machine.supervisor.shut_down()
    wait_until(lambda: slow.said() == ["started", "told to end"], what="it is told to end")

    ended = threading.Thread(target=machine.suite.stop)
    ended.start()
    ended.join(1.0)  # where it were told to end once more, it would be so by now
    slow.finish()
    ended.join()

    assert slow.said() == ["started", "told to end", "finished"]
    assert leftovers.find(machine.home) == []


def test_a_change_that_somebody_stops_the_suite_under_starts_nothing_again(machine: Machine) -> None:
    machine.suite.get_models()
    machine.runs(Program("slow", [sys.executable, "-c", "import time; time.sleep(600)"]))
    stopped: list[Stop] = []

    def scale() -> None:
        try:
            Rollout(machine.suite).scale(KEY, 1)
        except Stop as stop:
            stopped.append(stop)

    scaling = threading.Thread(target=scale)
    scaling.start()
    known = lambda: {process.name for process in machine.supervisor.processes()}  # noqa: E731
    wait_until(lambda: f"model-{KEY}-0" in known(), what="its server is there")
    machine.suite.stop()
    scaling.join()

    assert [type(stop) for stop in stopped] == [Away]
    assert leftovers.find(machine.home) == []
    assert machine.suite.models.entries()[KEY].replicas == 0


@pytest.mark.parametrize("name", ["gateway", "nginx"])
def test_a_part_that_is_down_is_started_by_its_restart(machine: Machine, name: str) -> None:
    port = str(machine.ports["gateway" if name == "gateway" else "http"])
    part = Program(name, [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port])
    machine.runs(part)
    machine.supervisor.stop(name)

    answer = machine.servoir("restart", name)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert machine.supervisor.process(name).state in ("STARTING", "RUNNING")


def test_a_part_that_does_not_come_back_is_told_with_its_last_words(machine: Machine) -> None:
    machine.supervisor.configure(
        [Program("gateway", [sys.executable, "-c", "raise SystemExit('no Redis at nowhere')"])]
    )

    with pytest.raises(Stop, match="no Redis at nowhere"):
        Renewal(machine.suite).renew(["gateway"])
