"""The way of a request through real parts when nothing goes wrong."""

from __future__ import annotations

import os

import pytest
import redis

from chassis.errors import BadRequest, DeadlineExceeded, TooBusy, Unavailable
from services.queue.client import QueueClient, QueueOperator
from tests.fakes import MODEL, FakeModelServer, FakeRegistry, HashServicer, lease, prediction_of
from tests.integration.queue.asking import ask, at_once, depth, planned
from tests.integration.queue.conftest import StartDispatcher
from tests.parts import wait_until


def test_each_payload_gets_the_answer_of_its_own_bytes(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)
    payloads = [os.urandom(1000 + size) for size in range(20)]

    answers = ask(client, *payloads)

    assert [answer.status for answer in answers] == [200] * 20
    assert [answer.body for answer in answers] == [prediction_of(payload) for payload in payloads]
    assert all(answer.attempts == 1 and 1 <= answer.batch_size <= 8 for answer in answers)


def test_a_bad_item_fails_alone_in_its_batch(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)

    good, bad, also_good = ask(client, b"one", b"problem", b"two")

    assert (good.status, bad.status, also_good.status) == (200, 422, 200)
    assert bad.body == b'{"title":"Undecodable image","detail":"as told"}'
    assert also_good.body == prediction_of(b"two")


def test_many_requests_share_batches_and_leave_no_key(
    redis_url: str,
    client: QueueClient,
    served: FakeModelServer,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
) -> None:
    start_dispatcher()
    planned(redis_url)
    ask(client, b"first")
    wait_until(lambda: len(registry.counted()) == 1, what="the first usage")
    connection = redis.Redis.from_url(redis_url)
    wait_until(lambda: not connection.keys("*usage*"), what="usage is through")
    before = set(connection.keys("*"))

    asked = at_once(client, [b"%d" % number for number in range(64)])
    answers = [call.result()[0] for call in asked]

    assert [answer.body for answer in answers] == [prediction_of(b"%d" % number) for number in range(64)]
    assert len(served.servicer.batches) < 40
    wait_until(lambda: len(registry.counted()) == 65, what="usage of each answer")
    wait_until(lambda: set(connection.keys("*")) == before, what="the same keys as before")
    assert connection.hget(f"servoir:queue:{MODEL}:state", "bytes") == b"0"


def test_without_a_model_server_it_says_when_to_come_back(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    with pytest.raises(Unavailable) as never_heard_of:
        ask(client, b"x")
    registry.lease(lease("drains", "127.0.0.1:1", draining=True))
    start_dispatcher()
    planned(redis_url, replicas=0)
    with pytest.raises(Unavailable) as drains:
        ask(client, b"x")

    assert never_heard_of.value.retry_after_s and drains.value.retry_after_s
    assert QueueOperator(redis_url).overview()[0].refused == {"interactive:no_replica": 1}


def test_an_unknown_priority_or_weight_is_refused(client: QueueClient) -> None:
    with pytest.raises(BadRequest, match="no such priority: urgent"):
        ask(client, b"x", priority="urgent")
    with pytest.raises(BadRequest, match="not a weight: 0"):
        ask(client, b"x", weight=0)


def test_a_request_without_any_time_left_is_refused(client: QueueClient) -> None:
    with pytest.raises(DeadlineExceeded, match="before the request was whole"):
        ask(client, b"x", timeout_s=0)


def test_a_request_of_nothing_is_answered_with_nothing(client: QueueClient) -> None:
    assert ask(client) == []


def test_a_gateway_lets_only_so_many_wait(redis_url: str, holding: FakeModelServer) -> None:
    gateway = QueueClient(redis_url, max_waiting=1)
    gateway.start()
    [first] = at_once(gateway, [b"hold"])
    wait_until(lambda: depth(redis_url) == 1, what="one that waits")

    with pytest.raises(TooBusy, match="too many requests wait"):
        ask(gateway, b"y")

    holding.servicer.gate.set()
    assert first.result()[0].status == 200
    gateway.close()


def test_two_models_are_served_apart(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    hashes, others = FakeModelServer(HashServicer()), FakeModelServer(HashServicer("acme-other-1"))
    registry.lease(lease("a", hashes.address), lease("b", others.address, model_key="acme-other-1"))
    start_dispatcher()
    planned(redis_url)
    planned(redis_url, model="acme-other-1")

    ask(client, b"x", request_id="here")
    ask(client, b"y", model="acme-other-1", request_id="there")

    assert hashes.servicer.batches == [["here"]]
    assert others.servicer.batches == [["there"]]
    hashes.stop()
    others.stop()


def test_two_replicas_share_one_queue(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    replicas = [FakeModelServer(HashServicer(delay_s=0.02)) for _ in range(2)]
    registry.lease(*(lease(replica.address, replica.address, service_s=0.02) for replica in replicas))
    start_dispatcher()
    planned(redis_url, replicas=2)

    for call in at_once(client, [b"%d" % number for number in range(100)]):
        assert call.result()[0].status == 200

    assert all(replica.servicer.batches for replica in replicas)
    for replica in replicas:
        replica.stop()


def test_what_a_slow_server_cannot_do_in_time_is_left_to_a_quick_one(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    slow, quick = FakeModelServer(HashServicer(delay_s=5.0)), FakeModelServer(HashServicer(delay_s=0.2))
    registry.lease(
        lease("slow", slow.address, batch_size=1, service_s=5.0),
        lease("quick", quick.address, batch_size=1, service_s=0.2),
    )
    start_dispatcher()
    planned(redis_url, replicas=2)

    asked = at_once(client, [b"%d" % number for number in range(8)], timeout_s=4.0)

    assert [one.result()[0].status for one in asked] == [200] * 8
    assert slow.servicer.batches == []
    for server in slow, quick:
        server.stop()


def test_one_that_drains_gets_nothing_new(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    leaving, staying = (FakeModelServer(HashServicer()) for _ in range(2))
    registry.lease(lease("leaving", leaving.address, draining=True), lease("staying", staying.address))
    start_dispatcher()
    planned(redis_url)

    for number in range(10):
        assert ask(client, b"%d" % number)[0].status == 200

    assert leaving.servicer.batches == []
    leaving.stop()
    staying.stop()
