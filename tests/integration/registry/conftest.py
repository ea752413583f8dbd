"""The registry, in this process on a real mongod, or as a process of its own that a test may kill."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.rpc.registry_pb2 import Lease
from services.registry.client import Modelinfo, RegistryClient
from services.registry.server import RegistryServer
from services.registry.settings import RegistrySettings
from tests.parts import Server, free_port

StartRegistry = Callable[..., str]


def modelinfo(rel_num: str = "1", **fields: Any) -> Modelinfo:
    given = {
        "org_name": "acme",
        "problem_id": "coco",
        "task": "bbox",
        "dnnarch": "ssd",
        "framework_type": "tensorflow",
        "config": {"score.threshold": 0.5},
    }
    return Modelinfo(**{**given, "rel_num": rel_num, **fields})


def lease(instance_id: str = "one", **fields: Any) -> Lease:
    given = {"model_key": "acme-coco-1", "address": f"127.0.0.1:{8500 + len(instance_id)}", "ttl_s": 30.0}
    return Lease(**{"instance_id": instance_id, **given, **fields})


@pytest.fixture
def start_registry(mongo_url: str) -> Iterator[StartRegistry]:
    """Start registries in this process, on one MongoDB; each call returns the address of another."""
    servers: list[RegistryServer] = []

    def start(url: str = mongo_url, **settings: Any) -> str:
        given = {"registry_address": "127.0.0.1:0", "mongo_url": url, "metrics_port": 0, "stop_grace_s": 1.0}
        server = RegistryServer(RegistrySettings(**{**given, **settings}))
        port = server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def registry_address(start_registry: StartRegistry) -> str:
    """The address of a registry in this process, empty."""
    return start_registry()


@pytest.fixture
def registry(registry_address: str) -> Iterator[RegistryClient]:
    """A client of the registry at ``registry_address``."""
    client = RegistryClient(registry_address)
    yield client
    client.close()


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[Callable[..., tuple[Server, str]]]:
    """Start registries as processes; each call returns the process and its address."""
    started: list[Server] = []

    def start(mongo_url: str, **env: str) -> tuple[Server, str]:
        address = f"127.0.0.1:{free_port()}"
        env = {
            "SERVOIR_MONGO_URL": mongo_url,
            "SERVOIR_REGISTRY_ADDRESS": address,
            "SERVOIR_METRICS_PORT": "0",
            "SERVOIR_STOP_GRACE_S": "1",
            **env,
        }
        log = tmp_path / f"registry-{len(started)}.log"
        server = Server([sys.executable, "-m", "services.registry"], lambda: answers(address), log, env)
        started.append(server)
        return server, address

    yield start
    for server in started:
        server.stop()


def answers(address: str) -> bool:
    """Say whether something takes gRPC calls at *address*."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=0.5)
        except grpc.FutureTimeoutError:
            return False
    return True
