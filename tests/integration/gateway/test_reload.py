"""A gateway that is reloaded, or told to stop, while it is asked by clients old and new."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chassis.cores import cores
from cli.waiting import listens
from tests.parts import ROOT, Server, free_port, wait_until

BODY = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.gif"\r\n\r\nGIF89a\5\0\5\0\r\n--b--\r\n'
HEADERS = {"Content-Type": "multipart/form-data; boundary=b"}
COMMAND = [sys.executable, "-m", "tests.integration.gateway.fake_gateway"]
CONFIGURATION = "python:tests.integration.gateway.fake_gunicorn_conf"


class Callers:
    """Clients that ask without a pause; every second one with a new connection each time."""

    def __init__(self, port: int, count: int) -> None:
        self.port, self.answered, self.wrong = port, 0, list[str]()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number % 2 == 0,), daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, anew: bool) -> None:
        connection = None
        while not self._ended.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                try:
                    connection.connect()
                except ConnectionRefusedError:  # nobody took a request
                    connection = None
                    self._ended.wait(0.05)
                    continue
            try:
                connection.request("POST", "/api/vision/v3/predict", BODY, HEADERS)
                response = connection.getresponse()
                response.read()
            except OSError as error:
                self.wrong.append(repr(error))
                return
            self.answered += 1
            if response.status != 200:
                self.wrong.append(str(response.status))
            if anew or response.getheader("Connection") == "close":
                connection.close()
                connection = None


def processes(gateway: Server) -> set[int]:
    return {child.pid for child in psutil.Process(gateway.process.pid).children()}


@pytest.mark.parametrize(("setting", "expected"), [({}, max(1, cores() // 2)), ({"SERVOIR_GATEWAY_WORKERS": "3"}, 3)])
def test_there_is_one_process_for_every_two_cores_where_nothing_is_set(setting: dict[str, str], expected: int) -> None:
    command = [sys.executable, "-m", "gunicorn", "-c", CONFIGURATION, "--print-config"]
    told = subprocess.run(command, cwd=ROOT, env=os.environ | setting, capture_output=True, text=True, check=True)

    assert re.findall(r"^workers\s*= (\d+)$", told.stdout, re.MULTILINE) == [str(expected)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM])
def test_no_request_fails_while_processes_change_or_end(tmp_path: Path, how: signal.Signals, workers: int) -> None:
    port = free_port()
    env = {"SERVOIR_GATEWAY_ADDRESS": f"127.0.0.1:{port}", "SERVOIR_GATEWAY_WORKERS": str(workers)}
    gateway = Server(COMMAND, lambda: listens(port), tmp_path / "log", env)
    old = processes(gateway)
    callers = Callers(port, 8)
    wait_until(lambda: callers.answered > 50, what="load is on")

    gateway.process.send_signal(how)
    before = callers.answered
    if how is signal.SIGHUP:
        wait_until(
            lambda: len(processes(gateway) - old) == workers and not processes(gateway) & old, what="new processes"
        )
        wait_until(lambda: callers.answered > before + 50, what="they answer")
        gateway.process.send_signal(signal.SIGTERM)
    exit_code = gateway.process.wait(60)
    callers.end()

    assert callers.wrong == []
    assert exit_code == 0


class Changeable:
    """A gateway with two processes that runs from a copy of the code, which may be changed."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.temporary, self.log = folder / "tree", folder / "temporary", folder / "log"
        self.temporary.mkdir()
        for name in ("chassis", "services", "cli", "embedded", "tests"):
            shutil.copytree(ROOT / name, self.tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.port = free_port()
        env = {
            "SERVOIR_GATEWAY_ADDRESS": f"127.0.0.1:{self.port}",
            "SERVOIR_GATEWAY_WORKERS": "2",
            "TMPDIR": str(self.temporary),
        }
        self.server = Server(COMMAND, lambda: listens(self.port), self.log, env, folder=self.tree)

    def change(self, file: str, old: str, new: str) -> None:
        text = (self.tree / file).read_text()
        assert old in text
        (self.tree / file).write_text(text.replace(old, new))

    def reload(self) -> None:
        self.server.process.send_signal(signal.SIGHUP)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as response:
            return str(response.read().decode())

    def says(self, text: str) -> bool:
        """Say whether an unknown address is answered with *text*, of a module that Gunicorn itself has imported."""
        try:
            self.get("/nowhere")
        except urllib.error.HTTPError as error:
            return text in error.read().decode()
        return False

    def counted(self) -> float:
        """Return how many unknown addresses were asked for, over all processes that ever were."""
        counts = re.findall(
            r'^servoir_gateway_request_seconds_count{.*status="404".*} (.+)$', self.get("/metrics"), re.M
        )
        return sum(map(float, counts))

    def renew(self) -> None:
        """Reload, and wait for new processes in place of the old."""
        old = self.processes()
        self.reload()
        wait_until(lambda: len(self.processes()) == 2 and not self.processes() & old, what="new processes")

    def processes(self) -> set[int]:
        return processes(self.server)


OLD, NEW = "nothing is served at this address", "nothing is to be had at this address"
PROBLEMS = "services/gateway/problems.py"


@pytest.fixture
def changeable(tmp_path: Path) -> Iterator[Changeable]:
    made = Changeable(tmp_path)
    wait_until(lambda: len(made.processes()) == 2, what="its processes")
    yield made
    made.server.stop()


@pytest.mark.slow
def test_a_reload_takes_up_all_code_in_the_same_process_and_counters_go_on(changeable: Changeable) -> None:
    assert changeable.says(OLD)
    callers = Callers(changeable.port, 4)

    for now, then in ((OLD, NEW), (NEW, OLD)):
        changeable.change(PROBLEMS, now, then)
        changeable.renew()
        assert changeable.says(then)

    callers.end()
    assert callers.wrong == []
    assert changeable.counted() == 3
    assert changeable.server.terminate() == 0
    assert list(changeable.temporary.iterdir()) == []


@pytest.mark.slow
def test_code_that_cannot_start_is_not_taken_up(changeable: Changeable) -> None:
    old = changeable.processes()
    changeable.change(PROBLEMS, OLD, 'not Python"')

    changeable.reload()
    wait_until(lambda: b"new code cannot start" in changeable.log.read_bytes(), what="a word of it")

    assert b"SyntaxError" in changeable.log.read_bytes()
    assert changeable.says(OLD)
    assert changeable.processes() == old
