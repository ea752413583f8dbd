"""Payloads that gateways leave in memory for model servers of their machine, and what happens when they are gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from chassis.shared_memory import Region, Spot, name_of
from services.queue.client import Answer, QueueClient
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
    """Return where payloads are besides in Redis, as Redis knows it, in the order of their coming."""
    with redis.Redis.from_url(url) as connection:
        entries: list[Any] = connection.xrange(f"servoir:queue:{MODEL}:requests")
    found = [read_spot(fields[b"spot"]) for _, fields in entries]
    return [spot for spot in found if spot]


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
    assert server.servicer.batches == [["r"] * 3], "it ran once"
    assert server.servicer.ways[-3:] == ["sent"] * 3


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
    code = f"""
from pathlib import Path
from chassis.shared_memory import Region
from services.queue.client import PredictCall, QueueClient
client = QueueClient({redis_url!r}, region=Region(Path({str(shared_folder)!r}), 2**20))
client.start()
client.predict([b"x" * 50_000], PredictCall(model_key={MODEL!r}, task="bbox", request_id="first", timeout_s=30.0,
               idempotency_key="k"))
"""
    gateway = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
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
