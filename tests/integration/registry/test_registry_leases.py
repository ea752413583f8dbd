"""Leases over gRPC on a real mongod: announced, renewed, withdrawn, expired, shared between registry processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pymongo
import pytest

from chassis.errors import BadRequest, NotFound
from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc.model_server_pb2 import Capacity, ServiceTime
from chassis.rpc_client import channel, told
from services.registry.client import LeaseKeeper, RegistryClient, follow_leases
from tests.integration.registry.conftest import StartRegistry, lease, modelinfo
from tests.parts import free_port, wait_until


class Watcher:
    """Follows the leases at *address* in a thread, as a dispatcher does, and keeps every snapshot."""

    def __init__(self, address: str) -> None:
        self.seen: list[list[pb.Lease]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._follow(address)), daemon=True)
        self._thread.start()

    async def _follow(self, address: str) -> None:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        try:
            async for leases in follow_leases(address):
                self.seen.append(leases)
        except asyncio.CancelledError:
            pass

    def instances(self) -> list[str]:
        return sorted(it.instance_id for it in self.seen[-1]) if self.seen else ["never connected"]

    def stop(self) -> None:
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)


@pytest.fixture
def watch() -> Iterator[Callable[[str], Watcher]]:
    watchers: list[Watcher] = []

    def start(address: str) -> Watcher:
        watchers.append(Watcher(address))
        wait_until(lambda: watchers[-1].seen, what="the first snapshot")
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.stop()


@pytest.fixture
def stub(registry_address: str, registry: RegistryClient) -> Iterator[registry_pb2_grpc.RegistryStub]:
    """Bare calls to a registry that knows acme-coco-1."""
    registry.publish(modelinfo(), actor="ann")
    with channel(registry_address) as open_channel:
        yield registry_pb2_grpc.RegistryStub(open_channel)


def stored(mongo_url: str) -> list[str]:
    with pymongo.MongoClient[dict[str, str]](mongo_url) as client:
        return sorted(it["_id"] for it in client.servoir.leases.find())


def test_an_announced_lease_comes_to_every_watcher(stub, registry_address, watch) -> None:
    first, second = watch(registry_address), watch(registry_address)
    assert first.instances() == []
    capacity = Capacity(max_batch_size=32, service_times=[ServiceTime(batch_size=8, seconds=0.1)])
    stub.Announce(lease(capacity=capacity, engine="echo"))
    for watcher in (first, second):
        wait_until(lambda watcher=watcher: watcher.instances() == ["one"])
        assert watcher.seen[-1] == [lease(capacity=capacity, engine="echo")]


def test_a_renewal_that_says_nothing_new_is_no_news(stub, registry_address, watch) -> None:
    watcher = watch(registry_address)
    for _ in range(5):
        stub.Announce(lease())
    stub.Announce(lease("two"))
    wait_until(lambda: watcher.instances() == ["one", "two"])
    assert len(watcher.seen) <= 3  # a slow watcher may skip one


def test_draining_and_withdrawing_are_news(stub, registry_address, watch) -> None:
    watcher = watch(registry_address)
    stub.Announce(lease())
    stub.Announce(lease(draining=True))
    wait_until(lambda: [it.draining for it in watcher.seen[-1]] == [True])
    stub.Withdraw(pb.WithdrawRequest(instance_id="one"))
    wait_until(lambda: watcher.instances() == [])
    stub.Withdraw(pb.WithdrawRequest(instance_id="one"))


def test_a_lease_that_is_not_renewed_ends_and_is_forgotten(stub, registry_address, mongo_url, watch) -> None:
    watcher = watch(registry_address)
    stub.Announce(lease("stays"))
    stub.Announce(lease(ttl_s=1.0))
    wait_until(lambda: any(len(leases) == 2 for leases in watcher.seen))
    wait_until(lambda: watcher.instances() == ["stays"])
    wait_until(lambda: stored(mongo_url) == ["stays"])


def test_a_lease_of_an_unknown_model_is_refused(stub) -> None:
    with pytest.raises(NotFound, match="acme-coco-2"), told():
        stub.Announce(lease(model_key="acme-coco-2"))


def test_bad_leases_are_refused_with_all_their_faults(stub) -> None:
    with pytest.raises(BadRequest) as raised, told():
        stub.Announce(pb.Lease(model_key="acme-coco-1", ttl_s=-1))
    assert all(f"{name}: " in raised.value.detail for name in ("instance_id", "address", "ttl_s"))
    with pytest.raises(BadRequest), told():
        stub.Announce(lease(model_key="../../etc"))
    with pytest.raises(BadRequest), told():
        stub.Withdraw(pb.WithdrawRequest())


def test_a_new_process_on_an_address_takes_the_place_of_the_lost_one(stub, registry_address, mongo_url, watch) -> None:
    watcher = watch(registry_address)
    stub.Announce(lease("lost", address="127.0.0.1:8501", started_at_ms=1))
    stub.Announce(lease("new", address="127.0.0.1:8501", started_at_ms=2))
    wait_until(lambda: watcher.instances() == ["new"])
    wait_until(lambda: stored(mongo_url) == ["new"])


def test_registries_on_one_mongodb_share_their_leases(stub, start_registry: StartRegistry, watch) -> None:
    other = watch(start_registry())
    stub.Announce(lease())
    wait_until(lambda: other.instances() == ["one"])
    stub.Announce(lease(draining=True))
    wait_until(lambda: [it.draining for it in other.seen[-1]] == [True])
    stub.Withdraw(pb.WithdrawRequest(instance_id="one"))
    wait_until(lambda: other.instances() == [])


def test_a_lease_may_be_withdrawn_at_another_registry(
    stub, registry_address, start_registry: StartRegistry, watch
) -> None:
    watcher, other = watch(registry_address), watch(start_registry())
    stub.Announce(lease())
    wait_until(lambda: other.instances() == ["one"])
    with channel(start_registry()) as open_channel:
        registry_pb2_grpc.RegistryStub(open_channel).Withdraw(pb.WithdrawRequest(instance_id="one"))
    for each in (watcher, other):
        wait_until(lambda each=each: each.instances() == [])


def test_a_lease_that_was_deleted_and_announced_again_is_not_dropped(stub, registry_address, mongo_url, watch) -> None:
    watcher = watch(registry_address)
    stub.Announce(lease())
    wait_until(lambda: stored(mongo_url) == ["one"])
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client, client.start_session() as session:
        kept = client.servoir.leases.find_one({"_id": "one"})
        assert kept is not None
        with session.start_transaction():
            client.servoir.leases.delete_one({"_id": "one"}, session=session)
            client.servoir.leases.insert_one(kept, session=session)
        client.servoir.leases.insert_one(
            {**kept, "_id": "seen", "by": "another", "lease": lease("seen").SerializeToString()}
        )
    wait_until(lambda: "seen" in watcher.instances(), what="the change that comes after those of the transaction")
    assert [it.instance_id for it in watcher.seen[-1]] == ["one", "seen"]


def test_renewals_at_one_registry_keep_a_lease_alive_at_all(
    stub, registry_address, start_registry: StartRegistry, mongo_url, watch
) -> None:
    other = watch(start_registry())
    keeper = LeaseKeeper(registry_address, lease(ttl_s=2.0))
    keeper.start()
    wait_until(lambda: other.instances() == ["one"])
    renewals = set()

    def renewed_often() -> bool:
        with pymongo.MongoClient[dict[str, str]](mongo_url) as client:
            renewals.update(it["renewal"] for it in client.servoir.leases.find())
        return len(renewals) > 8

    wait_until(renewed_often)
    assert [sorted(it.instance_id for it in leases) for leases in other.seen] == [[], ["one"]]
    keeper.stop()
    wait_until(lambda: other.instances() == [])


def test_a_model_server_may_change_to_another_registry(
    stub, registry_address, start_registry: StartRegistry, watch
) -> None:
    other_address = start_registry()
    first, other = watch(registry_address), watch(other_address)
    stub.Announce(lease(ttl_s=1.0))
    wait_until(lambda: other.instances() == ["one"])
    keeper = LeaseKeeper(other_address, lease(ttl_s=1.0, engine="moved"))
    keeper.start()
    for watcher in (first, other):
        wait_until(lambda watcher=watcher: [it.engine for it in watcher.seen[-1]] == ["moved"])
    keeper.stop()
    for watcher in (first, other):
        wait_until(lambda watcher=watcher: watcher.instances() == [])


def test_a_lease_keeper_renews_tells_changes_and_withdraws(stub, registry_address, watch) -> None:
    watcher = watch(registry_address)
    keeper = LeaseKeeper(registry_address, lease(ttl_s=20.0))
    keeper.start()
    wait_until(lambda: watcher.instances() == ["one"])
    keeper.update(draining=True, capacity=Capacity(best_batch_size=4))
    wait_until(lambda: [(it.draining, it.capacity.best_batch_size) for it in watcher.seen[-1]] == [(True, 4)])
    keeper.stop()
    wait_until(lambda: watcher.instances() == [])


def test_a_lease_keeper_goes_on_until_its_model_is_known(registry, registry_address, watch) -> None:
    watcher = watch(registry_address)
    keeper = LeaseKeeper(registry_address, lease())
    keeper.start()
    registry.publish(modelinfo(), actor="ann")
    wait_until(lambda: watcher.instances() == ["one"])
    keeper.stop()


def test_a_lease_keeper_without_a_registry_starts_and_stops(capsys) -> None:
    keeper = LeaseKeeper(f"127.0.0.1:{free_port()}", lease())
    keeper.start()
    keeper.update(draining=True)
    keeper.stop()
