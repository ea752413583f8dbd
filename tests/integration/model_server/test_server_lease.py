"""A model server and the registry: announced when it is ready, gone when it has ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import channel
from services.registry.client import RegistryClient, read_modelinfo
from tests.integration.model_server.serving import Serving
from tests.model_folders import echo_folder
from tests.parts import Server, free_port, wait_until


def is_up(address: str) -> bool:
    try:
        with channel(address) as probe:
            registry_pb2_grpc.RegistryStub(probe).ListModels(pb.ListModelsRequest(), timeout=2)
    except grpc.RpcError:
        return False
    return True


@pytest.fixture
def registry(mongo_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a real registry on a real MongoDB."""
    address = f"127.0.0.1:{free_port()}"
    told = {"SERVOIR_REGISTRY_ADDRESS": address, "SERVOIR_MONGO_URL": mongo_url, "SERVOIR_METRICS_PORT": "0"}
    command = [sys.executable, "-m", "services.registry"]
    server = Server(command, lambda: is_up(address), tmp_path / "registry.log", env=told)
    yield address
    server.stop()


def leases(registry: str) -> list[pb.Lease]:
    """Return the live leases as they are now."""
    with channel(registry) as open_channel:
        watch = registry_pb2_grpc.RegistryStub(open_channel).WatchLeases(pb.WatchLeasesRequest(), timeout=10)
        snapshot: pb.LeasesSnapshot = next(iter(watch))
        watch.cancel()
    return list(snapshot.leases)


def test_a_server_is_announced_once_it_serves_and_withdrawn_when_it_ends(registry: str, tmp_path: Path) -> None:
    folder = echo_folder(tmp_path / "model", max_batch_size=4)
    RegistryClient(registry).publish(read_modelinfo(folder / "acme-echo-1.yaml"), actor="test")

    serving = Serving(folder, "--tune", "off", "--concurrency", "2", registry=registry)
    wait_until(lambda: leases(registry), what="the lease is announced")
    (lease,) = leases(registry)
    serving.server.process.terminate()

    assert serving.exit_code() == 0
    assert leases(registry) == []
    assert (lease.model_key, lease.address, lease.engine) == ("acme-echo-1", serving.address, "echo")
    assert lease.capacity.concurrency == 2
    assert [row.batch_size for row in lease.capacity.service_times] == [1, 2, 4]
    assert lease.resident_bytes > 0
    serving.stop()


def test_a_server_serves_and_ends_although_the_registry_is_away(tmp_path: Path) -> None:
    serving = Serving(echo_folder(tmp_path / "model"), "--tune", "off", registry=f"127.0.0.1:{free_port()}")

    assert serving.predict("acme-echo-1", [b"x"]).outcomes[0].prediction
    serving.server.process.terminate()

    assert serving.exit_code() == 0
    serving.stop()


def test_a_server_that_only_its_own_machine_reaches_warns_where_the_registry_is_elsewhere(tmp_path: Path) -> None:
    serving = Serving(
        echo_folder(tmp_path / "model"), "--tune", "off", "--concurrency", "1", registry="registry.invalid:8400"
    )

    (warning,) = serving.log("announced_to_this_machine_alone")
    assert (warning["address"], warning["registry"]) == (serving.address, "registry.invalid:8400")
    assert "SERVOIR_ANNOUNCE_HOST" in warning["advice"]
    serving.server.process.terminate()
    assert serving.exit_code() == 0
