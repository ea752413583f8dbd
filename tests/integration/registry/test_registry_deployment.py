"""MongoDB as a deployment has it: a user with least rights, and three nodes of which one dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pymongo
import pytest
from pymongo.errors import PyMongoError

from chassis.errors import Unavailable
from chassis.rpc import registry_pb2 as pb
from cli.waiting import listens
from embedded import mongod
from services.registry.client import LeaseKeeper, RegistryClient
from tests.integration.registry.conftest import StartRegistry, lease, modelinfo
from tests.parts import Server, free_port, wait_until

StartMongod = Callable[..., Server]


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[StartMongod]:
    """Start mongods that are not yet a replica set."""
    nodes: list[Server] = []

    def start(port: int, *options: str) -> Server:
        folder = tmp_path / str(port)
        folder.mkdir()

        command = [*mongod.command(port, folder), *options]
        nodes.append(Server(command, lambda: listens(port), folder / "mongod.log"))
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()


def usage(registry: RegistryClient, batch_id: str) -> bool:
    """Record one image, again and again until it is acknowledged, as a dispatcher does."""
    one = pb.UsageSum(model_key="acme-coco-1", status=200, answered_at_ms=1, images=1)
    try:
        registry.record_usage(pb.UsageBatch(batch_id=batch_id, sums=[one]))
    except Unavailable:
        return False
    return True


def test_a_user_who_may_read_and_write_its_database_is_enough(
    tmp_path: Path, start_node: StartMongod, start_registry: StartRegistry
) -> None:
    key, port = tmp_path / "key", free_port()
    key.write_text("c2VydmVpciB0ZXN0IGtleQ==")
    key.chmod(0o600)
    start_node(port, "--auth", "--keyFile", str(key))
    mongod.initiate(port)
    with pymongo.MongoClient[dict[str, object]](mongod.url(port)) as client:
        client.admin.command("createUser", "root", pwd="root", roles=["root"])
    with pymongo.MongoClient[dict[str, object]](mongod.url(port), username="root", password="root") as client:
        client.servoir.command("createUser", "registry", pwd="secret", roles=["readWrite"])

    def opened(user: str) -> str:
        return start_registry(f"mongodb://{user}@127.0.0.1:{port}/servoir?replicaSet=rs0")

    address = opened("registry:secret")
    registry = RegistryClient(address)
    registry.publish(modelinfo(), actor="ann")
    registry.set_status("acme-coco-1", "released", actor="ann")
    registry.set_default("bbox", "acme-coco", actor="ann")
    assert usage(registry, "batch")
    assert registry.usage()[0].images == 1
    assert len(registry.history()) == 3
    assert not registry.readiness().degraded
    registry.close()
    with pytest.raises(Unavailable, match="refuses us: check the user") as raised:
        opened("registry:wrong")
    assert "wrong" not in raised.value.detail


@pytest.mark.slow
def test_when_the_first_of_three_nodes_dies_nothing_is_lost(
    start_node: StartMongod, start_registry: StartRegistry
) -> None:
    ports = [free_port() for _ in range(3)]
    nodes = {port: start_node(port) for port in ports}
    mongod.initiate(*ports)
    url = mongod.url(*ports)
    address = start_registry(url)
    registry, keeper = RegistryClient(address), LeaseKeeper(address, lease(ttl_s=2.0))
    registry.publish(modelinfo(), actor="ann")
    keeper.start()
    batches = [f"batch-{number}" for number in range(60)]
    for batch_id in batches[:30]:
        wait_until(lambda batch_id=batch_id: usage(registry, batch_id))
    nodes[_primary(url)].kill()
    for batch_id in batches[30:]:
        wait_until(lambda batch_id=batch_id: usage(registry, batch_id), what="a new primary")
    wait_until(lambda: not registry.readiness().degraded)
    assert registry.usage()[0].images == len(batches)
    with pymongo.MongoClient[dict[str, str]](url) as client:
        wait_until(lambda: [it["_id"] for it in client.servoir.leases.find()] == ["one"])
    assert registry.publish(modelinfo("2"), actor="ann").key == "acme-coco-2"
    keeper.stop()
    registry.close()


def _primary(url: str) -> int:
    """Return the port of the node that takes the writes."""
    found: list[int] = []

    def known() -> bool:
        with pymongo.MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=1000) as client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                return False
            found.extend([client.primary[1]] if client.primary else [])
        return bool(found)

    wait_until(known)
    return found[0]
