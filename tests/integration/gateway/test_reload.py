"""A gateway that is reloaded, or told to stop, while it is asked by clients old and new."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from chassis.cores import cores
from cli.waiting import listens
from tests.parts import ROOT, Server, free_port, wait_until

BODY = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.gif"\r\n\r\nGIF89a\5\0\5\0\r\n--b--\r\n'
HEADERS = {"Content-Type": "multipart/form-data; boundary=b"}
COMMAND = [sys.executable, "-m", "gunicorn", "-c", "python:tests.integration.gateway.fake_gunicorn_conf"]


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
    told = subprocess.run(
        [*COMMAND, "--print-config"], cwd=ROOT, env=os.environ | setting, capture_output=True, text=True, check=True
    )

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
