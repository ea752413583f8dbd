"""Who is let in, on real parts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from chassis.errors import TooBusy
from services.queue import trust
from services.queue.client import QueueClient, QueueOperator
from tests.fakes import MODEL, FakeModelServer, FakeRegistry, HashServicer, lease
from tests.integration.queue.asking import Asking, ask, at_once, depth, planned
from tests.integration.queue.conftest import StartDispatcher
from tests.parts import start_redis, wait_until


@pytest.fixture
def three_seconds(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> Iterator[list[Asking]]:
    """A queue of so long: six requests for a server that takes half a second for each."""
    slow = FakeModelServer(HashServicer(delay_s=0.5))
    registry.lease(lease("slow", slow.address, batch_size=1, service_s=0.5))
    start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"%d" % number for number in range(6)])
    wait_until(lambda: depth(redis_url) == 6, what="six requests")
    yield asked
    slow.stop()


def test_what_cannot_be_in_time_is_refused_at_the_door(
    redis_url: str, client: QueueClient, three_seconds: list[Asking]
) -> None:
    with pytest.raises(TooBusy, match="longer than the deadline") as refused:
        ask(client, b"x", timeout_s=1.5)

    assert 0.1 <= (refused.value.retry_after_s or 0) <= 3.0
    assert QueueOperator(redis_url).overview()[0].refused == {"interactive:deadline": 1}
    assert all(call.result()[0].status == 200 for call in three_seconds)


def test_every_refusal_is_counted_though_only_the_first_is_asked_for(
    redis_url: str, client: QueueClient, three_seconds: list[Asking]
) -> None:
    for _ in range(20):
        with pytest.raises(TooBusy, match="longer than the deadline"):
            ask(client, b"x", timeout_s=1.5)

    refused = {"interactive:deadline": 20}
    wait_until(lambda: QueueOperator(redis_url).overview()[0].refused == refused, what="the count")
    assert all(call.result()[0].status == 200 for call in three_seconds)
    assert ask(client, b"x", timeout_s=1.5)[0].status == 200


@pytest.mark.parametrize(
    ("bound", "reason"),
    [({"SERVOIR_QUEUE_MAX_ITEMS": "3"}, "count"), ({"SERVOIR_QUEUE_MAX_BYTES": "3000"}, "bytes")],
)
def test_a_queue_is_bounded(
    bound: dict[str, str],
    reason: str,
    redis_url: str,
    client: QueueClient,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("server", server.address))
    start_dispatcher(**bound)
    planned(redis_url)
    asked = at_once(client, [b"hold" + bytes(996)] * 2)
    wait_until(lambda: depth(redis_url) == 2, what="two items")

    with pytest.raises(TooBusy) as refused:
        ask(client, bytes(1000), bytes(1000))

    assert refused.value.retry_after_s
    assert depth(redis_url) == 2, "all payloads of a request are let in, or none"
    assert QueueOperator(redis_url).overview()[0].refused == {f"interactive:{reason}": 1}
    asked += at_once(client, [bytes(1000)])
    wait_until(lambda: depth(redis_url) == 3, what="a third, for which there is room")
    server.servicer.gate.set()
    assert all(call.result()[0].status == 200 for call in asked)
    server.stop()


def test_a_full_redis_refuses_and_still_answers(
    tmp_path: Path, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    (tmp_path / "data").mkdir()
    server, url = start_redis(tmp_path / "data", maxmemory="12mb")
    slow = FakeModelServer(HashServicer(delay_s=1.0))
    registry.lease(lease("slow", slow.address, batch_size=1))
    start_dispatcher(url)
    planned(url)
    gateway = QueueClient(url)
    gateway.start()

    asked = at_once(gateway, [bytes(500_000) for _ in range(40)], timeout_s=60.0)
    wait_until(lambda: any(call.error for call in asked), what="a refusal")
    slow.servicer.delay_s = 0.0
    wait_until(lambda: all(call.done for call in asked), what="an end of each")

    assert {type(call.error) for call in asked if call.error} == {TooBusy}
    answered = [call.answers[0].status for call in asked if not call.error]
    assert answered and set(answered) == {200}
    assert depth(url) == 0
    wait_until(lambda: Asking(lambda: ask(gateway, bytes(500_000))).result_or_none(), what="room again")
    gateway.close()
    server.stop()
    slow.stop()


def test_of_many_refusals_redis_is_asked_for_few(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    slow = FakeModelServer(HashServicer(delay_s=1.0))
    registry.lease(lease("slow", slow.address, batch_size=1, service_s=1.0))
    start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"a", b"b"])
    wait_until(lambda: depth(redis_url) == 2, what="a queue")

    before = _scripts_run(redis_url)
    for _ in range(50):
        with pytest.raises(TooBusy):
            ask(client, bytes(50_000), timeout_s=1.0)

    assert _scripts_run(redis_url) - before < 50, "those of the dispatcher among them"
    assert all(call.result()[0].status == 200 for call in asked)
    slow.stop()


def _scripts_run(url: str) -> int:
    """Return how many scripts Redis has run."""
    with redis.Redis.from_url(url) as connection:
        return int(connection.info("commandstats")["cmdstat_evalsha"]["calls"])


def test_less_is_let_in_after_some_were_late_that_had_been_let_in(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer(delay_s=0.02))
    registry.lease(lease("one", server.address, batch_size=1, service_s=0.02))
    start_dispatcher()
    planned(redis_url)
    assert _share(redis_url) == trust.MOST

    with _flood(client, [b"x", b"x", b"sleep:0.04:"]):  # what takes three times as long is no part of a median
        wait_until(lambda: _share(redis_url) < 0.8, what="a share that has come down twice")

    assert depth(redis_url) == 0
    server.stop()


def _share(url: str) -> float:
    """Return how much of the room that it predicts admission gives away."""
    with redis.Redis.from_url(url) as connection:
        return float(json.loads(connection.hget("servoir:queue:plans", MODEL) or b"{}")["share"])


@contextmanager
def _flood(client: QueueClient, payloads: list[bytes]) -> Iterator[None]:
    """Ask for more than is answered, in turns of *payloads*, with half a second each time."""
    stop = threading.Event()

    def go_on(turn: int) -> None:
        while not stop.is_set():
            try:
                ask(client, payloads[turn % len(payloads)], timeout_s=0.5)
            except TooBusy:
                stop.wait(0.05)
            turn += 1

    askers = [threading.Thread(target=go_on, args=(turn,)) for turn in range(60)]
    for asker in askers:
        asker.start()
    yield
    stop.set()
    for asker in askers:
        asker.join()
