"""Payloads that gateways leave in memory for model servers of their machine, and what happens when they are gone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from chassis.shared_memory import Region, Spot, name_of
from services.queue.client import Answer, QueueClient, QueueOperator
from services.queue.spots import read_spot
from tests.fakes import MODEL, FakeModelServer, FakeRegistry, HashServicer, lease, prediction_of
from tests.integration.queue.asking import Asking, ask, at_once, depth, planned
from tests.integration.queue.conftest import StartDispatcher
from tests.parts import ROOT, wait_until

PAYLOADS = [b"%d" % number * 20_000 for number in range(10)]
Serve = Callable[..., FakeModelServer]


@pytest.fixture
def region(shared_folder: Path) -> Iterator[Region]:
    region = Region(shared_folder, 2**20)
    yield region
    region.close()


@pytest.fixture
def sharing(redis_url: str, region: Region) -> Iterator[QueueClient]:
    """A gateway's client that leaves payloads in memory."""
    queue = QueueClient(redis_url, region=region)
    queue.start()
    yield queue
    queue.close()


@pytest.fixture
def serve(registry: FakeRegistry, shared_folder: Path) -> Iterator[Serve]:
    """Starts a model server that reads that memory; *said* is the memory that its lease tells of."""
    started: list[FakeModelServer] = []

    def serving(said: str = "", **how: float) -> FakeModelServer:
        server = FakeModelServer(HashServicer(shared_memory=shared_folder, **how))  # type: ignore[arg-type]
        registry.lease(lease("reads", server.address, shared_memory=said or name_of(shared_folder)))
        started.append(server)
        return server

    yield serving
    for server in started:
        server.stop()


def bodies(answers: list[Answer]) -> list[bytes]:
    return [answer.body for answer in answers]


def spots(url: str) -> list[Spot]:
    """Return where in shared memory payloads are, as Redis knows it, in the order of their coming."""
    with redis.Redis.from_url(url) as connection:
        entries: list[Any] = connection.xrange(f"servoir:queue:{MODEL}:requests")
    found = [read_spot(fields[b"spot"]) for _, fields in entries]
    return [spot for spot in found if spot]


def stored(url: str) -> list[bytes]:
    """Return what Redis has of the payloads of all items that are not answered, in the order of their coming."""
    with redis.Redis.from_url(url) as connection:
        entries: list[Any] = connection.xrange(f"servoir:queue:{MODEL}:requests")
        keys = [json.loads(fields[b"meta"])["payload"] for _, fields in entries]
        return list(connection.mget(keys)) if keys else []


def gateway_process(
    url: str, shared_folder: Path, *, count: int = 1, idempotency_key: str = ""
) -> subprocess.Popen[bytes]:
    """Start a gateway's client as a process that asks one request of so many payloads, named ``first``."""
    code = f"""
from pathlib import Path
from chassis.shared_memory import Region
from services.queue.client import PredictCall, QueueClient
client = QueueClient({url!r}, region=Region(Path({str(shared_folder)!r}), 2**20))
client.start()
client.predict([b"x" * 50_000] * {count}, PredictCall(model_key={MODEL!r}, task="bbox", request_id="first",
               timeout_s=60.0, idempotency_key={idempotency_key!r}))
"""
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)


@pytest.fixture
def gone_server(registry: FakeRegistry, shared_folder: Path) -> None:
    """A model server of this machine that has a lease and is not reached."""
    registry.lease(lease("gone", "127.0.0.1:1", shared_memory=name_of(shared_folder)))


def test_a_server_of_this_machine_reads_payloads_where_the_gateway_left_them(
    redis_url: str, sharing: QueueClient, serve: Serve, start_dispatcher: StartDispatcher
) -> None:
    server = serve()
    start_dispatcher()
    planned(redis_url)

    answers = ask(sharing, *PAYLOADS)

    assert bodies(answers) == [prediction_of(payload) for payload in PAYLOADS]
    assert server.servicer.ways == ["memory"] * len(PAYLOADS)
    assert not spots(redis_url)
    assert depth(redis_url) == 0


def test_a_server_of_another_machine_is_sent_them(
    redis_url: str, sharing: QueueClient, serve: Serve, start_dispatcher: StartDispatcher
) -> None:
    server = serve(said="that of another machine")
    start_dispatcher()
    planned(redis_url)

    assert bodies(ask(sharing, *PAYLOADS)) == [prediction_of(payload) for payload in PAYLOADS]
    assert server.servicer.ways == ["sent"] * len(PAYLOADS)


def test_payloads_of_a_gateway_of_another_machine_are_sent_beside_those_of_this_one(
    redis_url: str, client: QueueClient, sharing: QueueClient, serve: Serve, start_dispatcher: StartDispatcher
) -> None:
    server = serve(delay_s=0.1)
    start_dispatcher()
    planned(redis_url)

    near, far = at_once(sharing, PAYLOADS), at_once(client, PAYLOADS)

    assert [call.result()[0].body for call in near] == [prediction_of(payload) for payload in PAYLOADS]
    assert [call.result()[0].body for call in far] == [prediction_of(payload) for payload in PAYLOADS]
    assert sorted(server.servicer.ways) == ["memory"] * len(PAYLOADS) + ["sent"] * len(PAYLOADS)


def test_room_is_free_again_with_the_answer(
    redis_url: str, shared_folder: Path, serve: Serve, start_dispatcher: StartDispatcher
) -> None:
    server = serve()
    start_dispatcher()
    planned(redis_url)
    queue = QueueClient(redis_url, region=Region(shared_folder, 2**16))
    queue.start()

    for payload in PAYLOADS:
        assert bodies(ask(queue, payload)) == [prediction_of(payload)]

    assert server.servicer.ways == ["memory"] * len(PAYLOADS)
    queue.close()


def test_what_finds_no_room_is_sent(
    redis_url: str, sharing: QueueClient, serve: Serve, start_dispatcher: StartDispatcher
) -> None:
    server = serve()
    start_dispatcher()
    planned(redis_url)
    payloads = [bytes(2**21), b"small"]

    assert bodies(ask(sharing, *payloads)) == [prediction_of(payload) for payload in payloads]
    assert sorted(server.servicer.ways) == ["memory", "sent"]


def test_a_payload_that_every_server_reads_in_memory_is_there_alone(
    redis_url: str, sharing: QueueClient, serve: Serve, start_dispatcher: StartDispatcher
) -> None:
    server = serve()
    start_dispatcher()
    planned(redis_url)
    alone = at_once(sharing, [b"hold %d" % number for number in range(11)])
    wait_until(lambda: depth(redis_url) == 11, what="the requests")

    assert stored(redis_url) == [b""] * 11
    kept = Asking(lambda: ask(sharing, b"hold for all", idempotency_key="k"))
    wait_until(lambda: depth(redis_url) == 12, what="the request with a key")
    assert stored(redis_url).count(b"hold for all") == 1, "its answer is somebody's even after this gateway"

    server.servicer.gate.set()
    assert all(call.result()[0].status == 200 for call in [*alone, kept])
    assert server.servicer.ways == ["memory"] * 12


def test_a_payload_is_in_redis_too_where_one_server_cannot_read_it(
    redis_url: str,
    sharing: QueueClient,
    shared_folder: Path,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
) -> None:
    registry.lease(lease("near", "127.0.0.1:1", shared_memory=name_of(shared_folder)), lease("far", "127.0.0.1:2"))
    start_dispatcher()
    planned(redis_url, replicas=2)

    asked = Asking(lambda: ask(sharing, b"here", timeout_s=1.0))
    wait_until(lambda: stored(redis_url) == [b"here"], what="its payload in Redis")

    assert asked.result()[0].status == 504


def test_payloads_that_are_in_memory_alone_reach_a_server_of_another_machine_that_came_later(
    redis_url: str, sharing: QueueClient, serve: Serve, start_dispatcher: StartDispatcher, gone_server: None
) -> None:
    start_dispatcher()
    planned(redis_url)
    asked = at_once(sharing, PAYLOADS)
    wait_until(lambda: depth(redis_url) == 10, what="the requests")
    assert stored(redis_url) == [b""] * 10

    server = serve(said="that of another machine")

    assert [call.result()[0].body for call in asked] == [prediction_of(payload) for payload in PAYLOADS]
    assert server.servicer.ways == ["sent"] * 10


def test_what_only_a_killed_gateway_had_holds_up_nobody(
    redis_url: str,
    sharing: QueueClient,
    shared_folder: Path,
    serve: Serve,
    start_dispatcher: StartDispatcher,
    registry: FakeRegistry,
    gone_server: None,
) -> None:
    start_dispatcher()
    planned(redis_url)
    gateway = gateway_process(redis_url, shared_folder, count=4)
    wait_until(lambda: depth(redis_url) == 4, what="the requests")
    asked = at_once(sharing, PAYLOADS)
    wait_until(lambda: depth(redis_url) == 14, what="the others'")
    gateway.kill()
    gateway.wait()
    Region(shared_folder, 2**20).close()  # as the next gateway does: what the killed one left is gone

    server = serve()

    assert [call.result()[0].body for call in asked] == [prediction_of(payload) for payload in PAYLOADS]
    wait_until(lambda: depth(redis_url) == 0, what="an end of those that nobody waits for")
    assert server.servicer.ways == ["memory"] * 10, "those never ran"
    wait_until(lambda: len(registry.counted()) == 14, what="their usage")
    assert sorted(one.status for one in registry.counted()) == [200] * 10 + [503] * 4


def test_the_quarantine_has_the_bytes_of_what_was_in_memory_alone(
    redis_url: str,
    sharing: QueueClient,
    registry: FakeRegistry,
    shared_folder: Path,
    start_dispatcher: StartDispatcher,
    serve: Serve,
) -> None:
    serve()
    start_dispatcher()
    planned(redis_url)

    [answer] = ask(sharing, b"fail, always", timeout_s=60.0)

    assert answer.status == 500
    [item] = QueueOperator(redis_url).quarantine(MODEL)
    assert item.kept() == b"fail, always"


def test_a_payload_whose_place_has_something_else_comes_from_redis(
    redis_url: str,
    sharing: QueueClient,
    region: Region,
    registry: FakeRegistry,
    serve: Serve,
    start_dispatcher: StartDispatcher,
) -> None:
    registry.lease(lease("nobody", "127.0.0.1:1"))
    start_dispatcher()
    planned(redis_url)
    asked = Asking(lambda: ask(sharing, *PAYLOADS[:3]))
    wait_until(lambda: depth(redis_url) == 3, what="the request")
    [_, freed, _] = spots(redis_url)
    region.free(freed)
    other = region.put(bytes(freed.size))
    assert other and other.offset == freed.offset

    server = serve()

    assert bodies(asked.result()) == [prediction_of(payload) for payload in PAYLOADS[:3]]
    assert server.servicer.batches == [["r", "r"], ["r"]], "each ran once"
    assert server.servicer.ways == ["memory", "memory", "sent"]


def test_payloads_of_a_killed_gateway_are_answered_under_their_idempotency_key(
    redis_url: str,
    client: QueueClient,
    shared_folder: Path,
    registry: FakeRegistry,
    serve: Serve,
    start_dispatcher: StartDispatcher,
) -> None:
    registry.lease(lease("nobody", "127.0.0.1:1"))
    start_dispatcher()
    planned(redis_url)
    gateway = gateway_process(redis_url, shared_folder, idempotency_key="k")
    wait_until(lambda: depth(redis_url) == 1, what="the request")
    gateway.kill()
    gateway.wait()
    Region(shared_folder, 2**20).close()  # as the next gateway does: what the killed one left is gone
    assert not list(shared_folder.iterdir())

    again = Asking(lambda: ask(client, b"x" * 50_000, request_id="again", idempotency_key="k"))
    server = serve()

    assert bodies(again.result()) == [prediction_of(b"x" * 50_000)]
    assert server.servicer.batches == [["first"]]


def test_a_server_that_cannot_read_is_sent_payloads_and_asked_again_later(
    redis_url: str,
    sharing: QueueClient,
    region: Region,
    shared_folder: Path,
    serve: Serve,
    start_dispatcher: StartDispatcher,
) -> None:
    server = serve()
    start_dispatcher()
    planned(redis_url)
    [file] = shared_folder.iterdir()
    file.rename(shared_folder / "hidden")

    assert bodies(ask(sharing, *PAYLOADS)) == [prediction_of(payload) for payload in PAYLOADS]
    assert bodies(ask(sharing, *PAYLOADS)) == [prediction_of(payload) for payload in PAYLOADS]
    assert server.servicer.ways.count("sent") == 2 * len(PAYLOADS)
    (shared_folder / "hidden").rename(file)

    wait_until(lambda: bodies(ask(sharing, b"x")) and server.servicer.ways[-1] == "memory", what="it is asked again")
