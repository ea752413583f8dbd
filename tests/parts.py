"""The real parts that tests run against: Valkey or Redis and mongod, to start, kill, pause and start again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest
import redis

from cli.ports import is_free
from cli.waiting import listens
from embedded import Missing, mongod, valkey

ROOT = Path(__file__).parent.parent
_CHANCE = random.SystemRandom()  # not Python's own, which tests may seed: two of their processes would draw the same
_given: set[int] = set()


def free_port() -> int:
    """Return a TCP port that nobody listens on now, never the same one twice.

    It is below those that Linux gives to outgoing connections (32768 and up), one of which could take it before its
    server does.
    """
    while True:
        port = _CHANCE.randrange(20_000, 26_000)
        if port not in _given and is_free(port):
            _given.add(port)
            return port


def free_block(count: int) -> int:
    """Return the first of *count* ports in a row that nobody listens on now, none of which is ``free_port``'s."""
    while True:
        first = _CHANCE.randrange(26_000, 32_000 - count, count)
        if all(map(is_free, range(first, first + count))):
            return first


def wait_until(condition: Callable[[], object], *, timeout_s: float = 30.0, what: str = "") -> None:
    """Return once *condition* holds; fail the test when it does not within *timeout_s*."""
    for _ in _looks(condition, timeout_s, what):
        time.sleep(0.01)


async def until(condition: Callable[[], object], *, timeout_s: float = 30.0, what: str = "") -> None:
    """Wait as ``wait_until`` does, while the event loop goes on."""
    for _ in _looks(condition, timeout_s, what):
        await asyncio.sleep(0.01)


def _looks(condition: Callable[[], object], timeout_s: float, what: str) -> Iterator[None]:
    last_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > last_s:
            pytest.fail(f"not within {timeout_s:g} s: {what or condition}")
        yield


def absent(what: str) -> NoReturn:
    """Skip the test on a laptop where *what* is missing; fail it on CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)
    raise AssertionError("unreachable")


class Server:
    """A real server that a test may kill, pause and start again on its port with its data; its children go with it."""

    started: ClassVar[list[Server]] = []
    """All of this process, so that those whose test failed can be ended."""

    def __init__(
        self,
        command: list[str],
        ready: Callable[[], object],
        log: Path,
        env: dict[str, str] | None = None,
        folder: Path = ROOT,
    ) -> None:
        self.command, self.ready, self.log, self.env, self.folder = command, ready, log, env, folder
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **(self.env or {})},
                start_new_session=True,
            )
        if self not in self.started:
            self.started.append(self)
        wait_until(lambda: self.process.poll() is not None or self.ready(), what=f"{self.command[0]} ready")
        if self.process.poll() is not None:
            pytest.fail(f"{self.command[:3]} ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """End it at once, as the kernel does when memory runs out."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def terminate(self) -> int:
        """Ask it to end, as a supervisor does; return its exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def pause(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.kill()


def _pings(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def start_redis(folder: Path, **options: str) -> tuple[Server, str]:
    """Start a server of one's own (to kill, pause or fill); return it and its URL."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    try:
        command = valkey.command(port, folder, server=os.environ.get("SERVOIR_TEST_REDIS_SERVER", ""), **options)
    except Missing as missing:
        absent(str(missing))
    return Server(command, lambda: _pings(url), folder / "redis.log"), url


def start_mongod(folder: Path) -> tuple[Server, str]:
    """Start a one-node replica set of one's own; return it and its URL."""
    port = free_port()
    try:
        command = mongod.command(port, folder, ttlMonitorSleepSecs="1", enableTestCommands="1")
    except Missing as missing:
        absent(str(missing))
    server = Server(command, lambda: listens(port), folder / "mongod.log")
    mongod.initiate(port)
    return server, mongod.url(port)
