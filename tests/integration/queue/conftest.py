"""A queue with real parts: Redis, dispatchers as processes, model servers that hash, and a registry of leases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from services.queue import keys
from services.queue.client import QueueClient
from tests.fakes import FakeModelServer, FakeRegistry, HashServicer, lease
from tests.integration.queue.asking import planned
from tests.integration.queue.scripted import own
from tests.parts import Server, free_port


class HashingServer(Server):
    """A model server at *address* that writes what it ran into *journal*; the rest is a Server's."""

    def __init__(self, address: str, journal: Path, *command: Any) -> None:
        self.address, self.journal = address, journal
        super().__init__(*command)


StartDispatcher = Callable[..., Server]
StartModelServer = Callable[..., HashingServer]
Wakes = Callable[[], list[bytes]]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A registry without leases."""
    fake = FakeRegistry(free_port())
    yield fake
    fake.stop()


@pytest.fixture
def start_dispatcher(registry: FakeRegistry, redis_url: str, tmp_path: Path) -> Iterator[StartDispatcher]:
    """Starts a dispatcher as a process of its own."""
    started: list[Server] = []

    def start(url: str = redis_url, **env: str) -> Server:
        log = tmp_path / f"dispatcher-{len(started)}.log"
        settings = {
            "SERVOIR_REDIS_URL": url,
            "SERVOIR_REGISTRY_ADDRESS": registry.address,
            "SERVOIR_METRICS_PORT": "0",
            **env,
        }
        process = Server(
            [sys.executable, "-m", "services.queue"],
            lambda: b"dispatcher_started" in log.read_bytes(),
            log,
            settings,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def start_model_server(tmp_path: Path) -> Iterator[StartModelServer]:
    """Starts a hashing model server as a process."""
    started: list[HashingServer] = []

    def start(*options: str, port: int = 0) -> HashingServer:
        address = f"127.0.0.1:{port or free_port()}"
        number = len(started)
        journal, log = tmp_path / f"ran-{number}", tmp_path / f"model-server-{number}.log"
        command = [sys.executable, "-m", "tests.fakes", "--address", address, "--journal", str(journal), *options]
        process = HashingServer(address, journal, command, lambda: b"listening" in log.read_bytes(), log)
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def served(registry: FakeRegistry) -> Iterator[FakeModelServer]:
    """A model server inside the test, with its lease: 20 ms a batch."""
    server = FakeModelServer(HashServicer(delay_s=0.02))
    registry.lease(lease("replica-1", server.address, service_s=0.02))
    yield server
    server.stop()


@pytest.fixture
def holding(registry: FakeRegistry, start_dispatcher: StartDispatcher, redis_url: str) -> Iterator[FakeModelServer]:
    """A model server inside the test, planned with: its batch of ``hold`` lasts until its gate is set."""
    server = FakeModelServer(HashServicer())
    registry.lease(lease("holding", server.address))
    start_dispatcher()
    planned(redis_url)
    yield server
    server.servicer.gate.set()
    server.stop()


@pytest.fixture
def client(redis_url: str) -> Iterator[QueueClient]:
    """A gateway's client of the queue."""
    queue = QueueClient(redis_url)
    queue.start()
    yield queue
    queue.close()


@pytest.fixture
def connection(redis_url: str) -> redis.Redis:
    """For the scripts alone: with a model that ``me`` owns."""
    connection = redis.Redis.from_url(redis_url)
    own(connection)
    return connection


@pytest.fixture
def wakes(connection: redis.Redis) -> Iterator[Wakes]:
    """What returns the wakes that came since it was called last."""
    channel = connection.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(keys.wake_channel("me"))
    channel.get_message(timeout=5)

    def heard() -> list[bytes]:
        messages = iter(lambda: channel.get_message(timeout=0.2), None)
        return [message["data"] for message in messages]

    yield heard
    channel.close()
