"""Fixtures of the real parts: Valkey or Redis, and mongod; started once, empty for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest
import redis

from chassis import shared_memory
from tests.parts import Server, start_mongod, start_redis


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """End what a test has started and, because it failed, has not ended."""
    before = len(Server.started)
    yield
    for server in Server.started[before:]:
        server.stop()
    del Server.started[before:]


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder in memory, for processes to share; made by who uses it first."""
    folder = shared_memory.FOLDER.with_name(f"servoir-test-{os.getpid()}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server, url = start_redis(tmp_path_factory.mktemp("redis"))
    yield url
    server.stop()


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """The URL of a real Redis or Valkey, empty."""
    with redis.Redis.from_url(redis_server_url) as client:
        client.flushall()
    return redis_server_url


@pytest.fixture(scope="session")
def mongo_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server, url = start_mongod(tmp_path_factory.mktemp("mongod"))
    yield url
    server.stop()


@pytest.fixture
def mongo_url(mongo_server_url: str) -> str:
    """The URL of a real mongod, a replica set of one, empty."""
    with pymongo.MongoClient[dict[str, object]](mongo_server_url) as client:
        for name in client.list_database_names():
            if name not in ("admin", "local", "config"):
                client.drop_database(name)
    return mongo_server_url
