"""What dies and comes back: mongod, the registry, both; and how the registry refuses to start, and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymongo
import pytest

from chassis.errors import NotFound, Unavailable
from chassis.rpc import registry_pb2 as pb
from chassis.rpc import registry_pb2_grpc
from chassis.rpc_client import channel, told
from embedded import mongod
from services.registry.client import LeaseKeeper, ModelCatalogue, RegistryClient
from tests.integration.registry.conftest import StartRegistry, lease, modelinfo
from tests.parts import ROOT, Server, free_port, start_mongod, wait_until

Start = Callable[..., tuple[Server, str]]


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A mongod that a test may kill, and its URL."""
    folder = tmp_path / "mongod"
    folder.mkdir()
    server, url = start_mongod(folder)
    yield server, url
    server.stop()


@pytest.fixture
def calls() -> Iterator[Callable[[str], registry_pb2_grpc.RegistryStub]]:
    """Make bare stubs by address."""
    channels = []

    def connect(address: str) -> registry_pb2_grpc.RegistryStub:
        channels.append(channel(address))
        return registry_pb2_grpc.RegistryStub(channels[-1])

    yield connect
    for open_channel in channels:
        open_channel.close()


def run(**env: str) -> subprocess.CompletedProcess[str]:
    """Run a registry that is to end by itself."""
    quiet = {"SERVOIR_METRICS_PORT": "0", "SERVOIR_REGISTRY_ADDRESS": "127.0.0.1:0"}
    return subprocess.run(
        [sys.executable, "-m", "services.registry"],
        env={**os.environ, **quiet, **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def usage(batch_id: str, *, images: int = 1, payload_bytes: int = 0) -> pb.UsageBatch:
    one = pb.UsageSum(model_key="acme-coco-1", status=200, answered_at_ms=1, images=images, payload_bytes=payload_bytes)
    return pb.UsageBatch(batch_id=batch_id, sums=[one])


def live(stub: registry_pb2_grpc.RegistryStub) -> list[str]:
    """Return the instances that hold a lease now."""
    call = stub.WatchLeases(pb.WatchLeasesRequest(), timeout=10, wait_for_ready=True)
    leases = [it.instance_id for it in next(call).leases]
    call.cancel()
    return leases


def degraded(registry: RegistryClient) -> bool:
    return bool(registry.readiness().degraded)


# -- start and end ----------------------------------------------------------------------------------------------------


def test_without_mongodb_it_does_not_start_and_says_where_it_looked_and_what_to_do() -> None:
    port = free_port()
    ended = run(SERVOIR_MONGO_URL=f"mongodb://ann:secret@127.0.0.1:{port}/")
    assert ended.returncode == 1
    assert f"cannot use MongoDB at mongodb://ann:***@127.0.0.1:{port}/" in ended.stderr
    assert "SERVOIR_MONGO_URL" in ended.stderr
    assert "secret" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_mongod_that_is_no_replica_set_is_refused_with_what_to_do(tmp_path: Path) -> None:
    port = free_port()
    command = [it for it in mongod.command(port, tmp_path) if it not in ("--replSet", "rs0", "--oplogSize", "64")]
    url = f"mongodb://127.0.0.1:{port}/"

    def ready() -> bool:
        with pymongo.MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=500) as client:
            try:
                return bool(client.admin.command("ping"))
            except pymongo.errors.PyMongoError:
                return False

    server = Server(command, ready, tmp_path / "mongod.log")
    ended = run(SERVOIR_MONGO_URL=url)
    server.stop()
    assert ended.returncode == 1
    assert "not a replica set" in ended.stderr
    assert "--replSet" in ended.stderr


def test_bad_settings_are_named_together() -> None:
    ended = run(SERVOIR_METRICS_PORT="many", SERVOIR_STOP_GRACE_S="soon")
    assert ended.returncode == 2
    assert "SERVOIR_METRICS_PORT" in ended.stderr
    assert "SERVOIR_STOP_GRACE_S" in ended.stderr


@pytest.mark.parametrize("setting", ["SERVOIR_REGISTRY_ADDRESS", "SERVOIR_METRICS_PORT"])
def test_a_taken_port_is_a_clear_error(mongo_url: str, start_process: Start, setting: str) -> None:
    metrics_port = free_port()
    _, address = start_process(mongo_url, SERVOIR_METRICS_PORT=str(metrics_port))
    taken = {"SERVOIR_REGISTRY_ADDRESS": address, "SERVOIR_METRICS_PORT": str(metrics_port)}[setting]
    ended = run(SERVOIR_MONGO_URL=mongo_url, **{setting: taken})
    assert ended.returncode == 1
    assert taken in ended.stderr
    assert "Traceback" not in ended.stderr


def test_sigterm_ends_it_with_zero_while_others_watch(mongo_url: str, start_process: Start, calls) -> None:
    server, address = start_process(mongo_url)
    stub = calls(address)
    watching = [stub.WatchLeases(pb.WatchLeasesRequest()), stub.WatchModels(pb.WatchModelsRequest())]
    for call in watching:
        next(call)
    assert server.terminate() == 0
    for call in watching:
        with pytest.raises(Exception):  # noqa: B017 - StopIteration or a status: what counts is that it ended
            next(call)
    assert "Traceback" not in server.log.read_text()


def test_it_logs_json_lines_and_shows_metrics(mongo_url: str, start_process: Start) -> None:
    port = free_port()
    server, address = start_process(mongo_url, SERVOIR_METRICS_PORT=str(port))
    registry = RegistryClient(address)
    registry.publish(modelinfo(), actor="ann")
    registry.record_usage(usage("batch", images=3))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        shown = answer.read().decode()
    registry.close()
    assert 'servoir_registry_models{status="published"} 1.0' in shown
    assert "servoir_registry_usage_images_total 3.0" in shown
    assert "servoir_registry_mongodb_up 1.0" in shown
    assert "servoir_registry_leases 0.0" in shown
    wait_until(lambda: '"model_published"' in server.log.read_text(), what="the log")
    events = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {it["service"] for it in events} == {"registry"}
    assert all(it["event"] for it in events)


# -- the registry dies ------------------------------------------------------------------------------------------------


def test_leases_survive_that_the_registry_is_killed(mongo_url: str, start_process: Start, calls) -> None:
    server, address = start_process(mongo_url)
    stub = calls(address)
    RegistryClient(address).publish(modelinfo(), actor="ann")
    stub.Announce(lease(ttl_s=3.0))
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        wait_until(lambda: client.servoir.leases.count_documents({}) == 1)
    server.kill()
    server.start()
    assert live(stub) == ["one"]
    wait_until(lambda: live(stub) == [], what="the lease to end one ttl after the restart")


def test_a_lease_keeper_and_a_catalogue_outlive_the_registry(mongo_url: str, start_process: Start, calls) -> None:
    server, address = start_process(mongo_url)
    registry = RegistryClient(address)
    registry.publish(modelinfo(), actor="ann")
    keeper, catalogue = LeaseKeeper(address, lease(ttl_s=1.0)), ModelCatalogue(address)
    keeper.start()
    catalogue.start()
    assert catalogue.wait(30)
    wait_until(lambda: live(calls(address)) == ["one"])
    server.kill()
    assert catalogue.find("acme-coco-1", "bbox").key == "acme-coco-1"
    with pytest.raises(Unavailable):
        registry.models()
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        client.servoir.leases.delete_many({})
    server.start()
    wait_until(lambda: live(calls(address)) == ["one"], what="the lease to be announced again")
    wait_until(lambda: _publishes(registry), what="the old client to work again")
    wait_until(lambda: len(catalogue.models()) == 2, what="the catalogue to follow again")
    keeper.stop()
    catalogue.stop()
    registry.close()


def _publishes(registry: RegistryClient) -> bool:
    try:
        return bool(registry.publish(modelinfo("2"), actor="ann"))
    except Unavailable:
        return False


# -- mongod dies ------------------------------------------------------------------------------------------------------


def test_while_mongod_is_away_reads_and_leases_go_on_and_writes_are_refused(
    own_mongod: tuple[Server, str], start_registry: StartRegistry, calls
) -> None:
    server, url = own_mongod
    address = start_registry(url)
    registry, stub = RegistryClient(address), calls(address)
    registry.publish(modelinfo(), actor="ann")
    registry.record_usage(usage("before"))
    assert not degraded(registry)
    server.kill()
    wait_until(lambda: degraded(registry), what="degraded")

    stub.Announce(lease("meanwhile", ttl_s=60.0))
    stub.Announce(lease("short", ttl_s=0.2))
    wait_until(lambda: live(stub) == ["meanwhile"])
    assert registry.model("acme-coco-1") == modelinfo()
    for refused in (
        lambda: registry.publish(modelinfo("2"), actor="ann"),
        lambda: registry.record_usage(usage("meanwhile")),
        lambda: registry.usage(),
        lambda: registry.history(),
    ):
        with pytest.raises(Unavailable, match="MongoDB is away") as raised:
            refused()
        assert raised.value.retry_after_s
    with pytest.raises(NotFound):
        registry.model("acme-coco-2")

    server.start()
    wait_until(lambda: not degraded(registry), what="not degraded any more")
    assert registry.publish(modelinfo("2"), actor="ann").key == "acme-coco-2"
    assert registry.record_usage(usage("meanwhile"))
    assert not registry.record_usage(usage("before"))
    assert registry.usage()[0].images == 2
    with pymongo.MongoClient[dict[str, str]](url) as client:
        wait_until(lambda: [it["_id"] for it in client.servoir.leases.find()] == ["meanwhile"])
    registry.close()


@pytest.mark.slow
def test_leases_that_another_registry_renews_live_on_while_mongod_is_away(
    own_mongod: tuple[Server, str], start_registry: StartRegistry, calls
) -> None:
    server, url = own_mongod
    first, second = start_registry(url), start_registry(url)
    with RegistryCloser(first) as registry, RegistryCloser(second) as other:
        registry.publish(modelinfo(), actor="ann")
        keeper = LeaseKeeper(first, lease("renewed", ttl_s=2.0))
        keeper.start()
        wait_until(lambda: live(calls(second)) == ["renewed"])
        server.kill()
        wait_until(lambda: degraded(other))
        calls(second).Announce(lease("ours", ttl_s=3.0))
        wait_until(lambda: live(calls(second)) == ["renewed"], what="our own lease to end, and only that")
        server.start()
        wait_until(lambda: not degraded(other))
        assert live(calls(second)) == ["renewed"]
        keeper.stop()
        wait_until(lambda: live(calls(second)) == [])


def test_what_was_acknowledged_survives_that_mongod_is_killed(
    own_mongod: tuple[Server, str], start_registry: StartRegistry
) -> None:
    server, url = own_mongod
    with RegistryCloser(start_registry(url)) as registry:
        for number in range(50):
            registry.record_usage(usage(f"batch-{number}"))
        key = registry.publish(modelinfo(), actor="ann").key
        server.kill()
        server.start()
        wait_until(lambda: _publishes(registry), what="mongod to take writes again")
        assert registry.usage()[0].images == 50
        assert registry.model(key) == modelinfo()
        assert [it.action for it in registry.history(key)] == ["publish"]


@pytest.mark.slow
def test_a_mongod_that_hangs_is_away_and_its_leases_go_on(
    own_mongod: tuple[Server, str], start_registry: StartRegistry, calls
) -> None:
    server, url = own_mongod
    address = start_registry(url)
    with RegistryCloser(address) as registry:
        registry.publish(modelinfo(), actor="ann")
        server.pause()
        calls(address).Announce(lease())
        assert live(calls(address)) == ["one"]
        with pytest.raises(Unavailable), told():
            registry.record_usage(usage("batch"))
        wait_until(lambda: degraded(registry))
        server.resume()
        wait_until(lambda: not degraded(registry))
        registry.record_usage(usage("batch"))


def test_usage_is_exact_though_registry_and_mongod_are_killed_while_it_is_sent(
    own_mongod: tuple[Server, str], start_process: Start
) -> None:
    mongod_server, url = own_mongod
    registry_server, address = start_process(url)
    acknowledged: list[int] = []

    def send_until_acknowledged(sender: int) -> None:
        with RegistryCloser(address) as registry:
            for number in range(sender, 400, 4):
                batch = usage(str(number), images=3, payload_bytes=number)
                wait_until(lambda batch=batch: _records(registry, batch), timeout_s=60)
                acknowledged.append(number)

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send_until_acknowledged, sender) for sender in range(4)]
        for after, victim in ((50, registry_server), (150, mongod_server), (250, registry_server)):
            wait_until(lambda after=after: len(acknowledged) > after, timeout_s=60)
            victim.kill()
            victim.start()
        for it in sending:
            it.result()
    with RegistryCloser(address) as registry:
        (total,) = registry.usage()
    assert total.images == 3 * 400
    assert total.payload_bytes == sum(range(400))


def _records(registry: RegistryClient, batch: pb.UsageBatch) -> bool:
    try:
        registry.record_usage(batch)
    except Unavailable:
        return False
    return True


class RegistryCloser:
    """A RegistryClient for a with statement."""

    def __init__(self, address: str) -> None:
        self._client = RegistryClient(address)

    def __enter__(self) -> RegistryClient:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
