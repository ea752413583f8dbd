"""The real supervisor keeps programs alive, and hands them exactly what they were given."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli import leftovers, waiting
from cli.errors import Exit, Stop
from cli.programs import Program
from cli.supervision import Away, Supervisor
from tests.integration.cli.draining import Draining
from tests.parts import wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path)
    yield running
    leftovers.end(tmp_path)


def _runs(supervisor: Supervisor, name: str) -> bool:
    return supervisor.process(name).state == "RUNNING"


def test_commands_and_variables_arrive_as_they_are(supervisor: Supervisor, tmp_path: Path) -> None:
    told = {"PLAIN": "a,b=c;d#e", "PERCENT": "100%(x)s", "SPACED": ' two  "words" ', "QUOTED": "it's"}
    script = (
        "import os, sys, time; print([os.environ[n] for n in sys.argv[2:]], sys.argv[1], flush=True); time.sleep(9)"
    )
    program = Program("teller", [sys.executable, "-c", script, "100% 'a' \"b\"", *told], told)

    supervisor.configure([program])
    supervisor.start("teller")

    expected = f"{list(told.values())} 100% 'a' \"b\""
    wait_until(lambda: expected in supervisor.log_file("teller").read_text(), what="told what it was given")


@pytest.mark.parametrize("value", ["cut #off", "cut ;off", "two\nlines", "both ' and \""])
def test_a_value_that_its_configuration_cannot_hold_is_refused_and_not_cut(supervisor: Supervisor, value: str) -> None:
    with pytest.raises(Stop, match="SERVOIR_X"):
        supervisor.configure([Program("teller", SLEEP, {"SERVOIR_X": value})])


def test_a_program_that_ends_is_started_again(supervisor: Supervisor) -> None:
    supervisor.configure([Program("sleeper", SLEEP)])
    supervisor.start("sleeper")
    wait_until(lambda: _runs(supervisor, "sleeper"), what="it runs")
    pid = supervisor.process("sleeper").pid

    psutil.Process(pid).kill()

    wait_until(lambda: supervisor.process("sleeper").pid not in (0, pid), what="it is back")


def test_only_what_has_changed_is_stopped(supervisor: Supervisor) -> None:
    supervisor.configure([Program("kept", SLEEP), Program("changed", SLEEP), Program("gone", SLEEP)])
    for name in ("kept", "changed", "gone"):
        supervisor.start(name)
    wait_until(lambda: all(_runs(supervisor, name) for name in ("kept", "changed", "gone")), what="all run")
    pid = supervisor.process("kept").pid

    supervisor.configure([Program("kept", SLEEP), Program("changed", SLEEP, {"NEW": "1"}), Program("added", SLEEP)])

    states = {process.name: process.state for process in supervisor.processes()}
    assert states == {"kept": "RUNNING", "changed": "STOPPED", "added": "STOPPED"}
    assert supervisor.process("kept").pid == pid


def test_waiting_gives_up_with_the_last_words_of_what_does_not_start(supervisor: Supervisor) -> None:
    failing = Program("failing", [sys.executable, "-c", "import sys; sys.exit('no database at mongodb://nowhere')"])
    supervisor.configure([failing])
    supervisor.start("failing")

    with pytest.raises(Stop, match="no database at mongodb://nowhere") as stop:
        waiting.wait_for(supervisor, "failing", lambda: False, timeout_s=60)

    assert stop.value.code == Exit.NOT_READY
    assert str(supervisor.log_file("failing")) in stop.value.advice


@pytest.fixture
def draining(supervisor: Supervisor, tmp_path: Path) -> Draining:
    """A program that still finishes what it has, and its supervisor that waits for it to end."""
    made = Draining(tmp_path)
    supervisor.configure([made.program])
    supervisor.start("slow")
    wait_until(lambda: made.said() == ["started"], what="it has started")
    supervisor.shut_down()
    wait_until(lambda: made.said() == ["started", "told to end"], what="it is told to end")
    return made


def test_one_that_is_ending_neither_runs_nor_takes_orders(supervisor: Supervisor, draining: Draining) -> None:
    assert supervisor.ends() and not supervisor.runs()
    for order in (supervisor.processes, lambda: supervisor.start("slow"), supervisor.shut_down):
        with pytest.raises(Away, match="is being stopped"):
            order()

    draining.finish()

    wait_until(lambda: not supervisor.ends(), what="it has ended")
    assert not supervisor.runs()
    with pytest.raises(Away, match="does not run"):
        supervisor.processes()


def test_a_change_to_what_runs_starts_no_supervisor(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(Away):
        supervisor.configure([Program("model-a-b-1-0", SLEEP)], only="model-a-b-1-")

    assert leftovers.find(tmp_path) == []


def test_an_order_that_it_refuses_is_told(supervisor: Supervisor) -> None:
    supervisor.configure([Program("sleeper", SLEEP)])

    with pytest.raises(Stop, match="refuses getProcessInfo nobody: BAD_NAME"):
        supervisor.start("nobody")


def test_its_socket_and_its_configuration_are_for_this_user_only(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.configure([Program("sleeper", SLEEP)])

    assert (tmp_path / "run" / "supervisor.sock").stat().st_mode & 0o077 == 0
    assert (tmp_path / "run" / "supervisord.conf").stat().st_mode & 0o077 == 0


def test_what_outlives_it_is_found_and_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.configure([Program("sleeper", SLEEP)])
    supervisor.start("sleeper")
    wait_until(lambda: _runs(supervisor, "sleeper"), what="it runs")

    psutil.Process(supervisor.pid()).kill()

    assert leftovers.end(tmp_path) >= 1
    assert leftovers.find(tmp_path) == []
    assert psutil.pid_exists(os.getpid())


def test_a_home_too_deep_for_a_socket_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="too long for a socket"):
        Supervisor(tmp_path / ("deep" * 30)).configure([])
