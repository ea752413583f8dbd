"""What is killed, paused or gone, and what becomes of the requests."""

from __future__ import annotations

import asyncio
import functools
import json
from pathlib import Path

import pytest
import redis

from chassis.errors import Unavailable
from services.queue.client import Answer, QueueClient, QueueOperator
from services.queue.replies import Replies
from tests.fakes import MODEL, FakeModelServer, FakeRegistry, HashServicer, lease, prediction_of
from tests.integration.queue.asking import Asking, answers, ask, at_once, at_work, depth, planned
from tests.integration.queue.conftest import StartDispatcher, StartModelServer
from tests.parts import Server, start_redis, wait_until


def test_requests_of_a_killed_dispatcher_are_taken_over(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("server", server.address))
    dispatchers = {dispatcher.process.pid: dispatcher for dispatcher in (start_dispatcher(), start_dispatcher())}
    planned(redis_url)
    asked = at_once(client, [b"hold%d" % number for number in range(12)])
    wait_until(lambda: at_work(redis_url) > 0 and depth(redis_url) == 12, what="claimed items")

    owner = _owner(redis_url)
    for dispatcher in dispatchers.values():
        if owner in dispatcher.log.read_text():
            dispatcher.kill()
    server.servicer.gate.set()

    assert [call.result()[0].body for call in asked] == [prediction_of(b"hold%d" % number) for number in range(12)]
    assert _owner(redis_url) != owner
    server.stop()


def test_a_paused_dispatcher_that_wakes_up_answers_nothing_twice(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("server", server.address))
    first, second = start_dispatcher(), start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"hold%d" % number for number in range(12)])
    wait_until(lambda: at_work(redis_url) > 0 and depth(redis_url) == 12, what="claimed items")

    owner = _owner(redis_url)
    paused = first if owner in first.log.read_text() else second
    paused.pause()
    server.servicer.gate.set()
    answers = [call.result()[0] for call in asked]
    paused.resume()

    assert [answer.status for answer in answers] == [200] * 12
    wait_until(lambda: len(registry.counted()) >= 12, what="usage of each answer")
    ask(client, b"after")
    wait_until(lambda: len(registry.counted()) >= 13, what="usage of the last")
    assert len(registry.counted()) == 13
    server.stop()


def test_a_dispatcher_that_is_asked_to_end_hands_over_at_once(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    first, second = start_dispatcher(), start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"%d" % number for number in range(40)])

    leaving, staying = (first, second) if _owner(redis_url) in first.log.read_text() else (second, first)
    assert leaving.terminate() == 0

    assert all(call.result()[0].status == 200 for call in asked)
    assert all(call.result()[0].attempts == 1 for call in asked)
    wait_until(lambda: _owner(redis_url) in staying.log.read_text() and _owner(redis_url) != "", what="a new owner")


def test_a_dispatcher_that_starts_again_goes_on_without_the_registry(
    redis_url: str,
    client: QueueClient,
    served: FakeModelServer,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
) -> None:
    first = start_dispatcher()
    planned(redis_url)
    ask(client, b"before")
    wait_until(lambda: b"replica-1" in (redis.Redis.from_url(redis_url).get("servoir:queue:leases") or b""))
    registry.stop()
    first.kill()
    start_dispatcher()

    assert ask(client, b"after")[0].body == prediction_of(b"after")


def test_a_batch_of_a_killed_model_server_is_answered_by_the_next(
    redis_url: str,
    client: QueueClient,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
    start_model_server: StartModelServer,
) -> None:
    doomed, other = start_model_server("--delay-s", "0.5"), start_model_server("--delay-s", "0.02")
    registry.lease(lease("doomed", doomed.address))
    start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"%d" % number for number in range(6)])
    wait_until(lambda: at_work(redis_url) > 0, what="a batch at the server")
    wait_until(lambda: doomed.journal.exists() and doomed.journal.read_text(), what="a batch that runs")

    doomed.kill()
    registry.lease(lease("other", other.address))

    answers = [call.result()[0] for call in asked]
    assert [answer.body for answer in answers] == [prediction_of(b"%d" % number) for number in range(6)]
    retried = [line.split() for line in other.journal.read_text().splitlines()]
    assert {size for _, item, size, _ in retried if item in doomed.journal.read_text()} == {"1"}


def test_a_poisonous_item_ends_in_quarantine_and_its_neighbours_are_answered(
    redis_url: str,
    client: QueueClient,
    registry: FakeRegistry,
    start_dispatcher: StartDispatcher,
    start_model_server: StartModelServer,
) -> None:
    server = start_model_server("--delay-s", "0.05")
    port = int(server.address.rpartition(":")[2])
    registry.lease(lease("life-0", server.address))
    start_dispatcher()
    planned(redis_url)
    busy = at_once(client, [b"good %d" % number for number in range(4)])
    poisonous = Asking(lambda: ask(client, b"poison", request_id="bad", timeout_s=60))
    lives = 0
    while not poisonous.done:
        wait_until(functools.partial(_ended_or_done, server, poisonous), what="the server's end, or an answer")
        if server.process.poll() is not None:
            lives += 1
            server = start_model_server("--delay-s", "0.05", port=port)
            registry.lease(lease(f"life-{lives}", server.address))

    assert lives >= 2  # the last end may be seen only after the answer
    assert poisonous.result()[0].status == 500
    assert [call.result()[0].status for call in busy] == [200] * 4
    operator = QueueOperator(redis_url)
    [item] = operator.quarantine(MODEL)
    assert (item.payload, item.meta.request_id, len(item.failures)) == (b"poison", "bad", 3)
    assert operator.quarantined(MODEL, item.id) == item
    assert operator.drop(MODEL, [item.id]) == 1
    assert operator.quarantine(MODEL) == []


def test_an_item_that_always_fails_is_given_up_though_its_server_lives(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)

    failing, good = ask(client, b"fail", b"good")

    assert (failing.status, good.status) == (500, 200)
    assert json.loads(failing.body)["title"] == "Model failed on this input"
    assert failing.attempts == 3


def test_answers_of_a_gateway_that_is_gone_expire(
    redis_url: str, client: QueueClient, holding: FakeModelServer
) -> None:
    gone = QueueClient(redis_url)
    gone.start()
    Asking(lambda: ask(gone, b"hold"))
    wait_until(lambda: depth(redis_url) == 1, what="the request")
    gone.close()
    holding.servicer.gate.set()

    wait_until(lambda: depth(redis_url) == 0, what="its answer")

    connection = redis.Redis.from_url(redis_url)
    [replies] = connection.keys("servoir:queue:replies:*")
    assert 0 < connection.ttl(replies) <= 60


def test_accepted_requests_survive_a_killed_redis(
    tmp_path: Path, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    (tmp_path / "data").mkdir()
    server, url = start_redis(tmp_path / "data")
    model_server = FakeModelServer(HashServicer())
    registry.lease(lease("server", model_server.address))
    start_dispatcher(url)
    planned(url)
    gateway = QueueClient(url)
    gateway.start()
    asked = at_once(gateway, [b"hold%d" % number for number in range(20)])
    wait_until(lambda: depth(url) == 20, what="accepted requests")

    server.kill()
    server.start()
    model_server.servicer.gate.set()

    wait_until(lambda: depth(url) == 0, what="an answer for each")
    wait_until(lambda: len(registry.counted()) == 20, what="usage of each")
    assert {one.status for one in registry.counted()} == {200}
    assert all(call.result()[0].status in (200, 503) for call in asked if call.error is None)
    assert ask(gateway, b"after")[0].status == 200
    gateway.close()
    server.stop()
    model_server.stop()


def test_an_answer_that_lies_on_the_list_is_not_lost_though_its_entry_is_gone(redis_url: str) -> None:
    async def answered() -> list[Answer | None]:
        replies = Replies(redis_url)
        waiting = replies.expect(1)
        waiting.entries = ["no such key"]
        of_others, ours = [b"[%d,0,200,0,0,1,1,0,0,0]\n" % (waiting.number + later) for later in (1, 0)]
        with redis.Redis.from_url(redis_url) as connection:
            connection.rpush(replies.key, *[of_others] * 300, ours)  # more than are taken at once
        replies.start()
        await waiting.wait(20)
        replies.forget(waiting)
        await replies.close()
        return waiting.answers

    [answer] = asyncio.run(answered())

    assert answer
    assert answer.status == 200


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_while_redis_is_away_requests_are_told_so_and_later_it_goes_on(
    how: str, tmp_path: Path, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    (tmp_path / "data").mkdir()
    server, url = start_redis(tmp_path / "data")
    model_server = FakeModelServer(HashServicer())
    registry.lease(lease("server", model_server.address))
    start_dispatcher(url)
    planned(url)
    gateway = QueueClient(url)
    gateway.start()
    waiting = Asking(lambda: ask(gateway, b"hold"))
    wait_until(lambda: at_work(url) == 1, what="a request at work")

    server.kill() if how == "killed" else server.pause()

    wait_until(lambda: waiting.done, what="an error for the one that waits")
    with pytest.raises(Unavailable) as away:  # long before its deadline, which would be another error
        waiting.result()
    assert away.value.retry_after_s
    with pytest.raises(Unavailable):
        ask(gateway, b"new")
    assert not gateway.ready()

    server.start() if how == "killed" else server.resume()
    model_server.servicer.gate.set()
    wait_until(gateway.ready, what="the gateway's contact")

    wait_until(lambda: answers(gateway), what="an answer")
    gateway.close()
    server.stop()
    model_server.stop()


def test_who_waits_for_what_redis_lost_is_told_as_soon_as_it_is_back(
    redis_url: str, client: QueueClient, holding: FakeModelServer
) -> None:
    asked = at_once(client, [b"hold", b"waits"])
    wait_until(lambda: depth(redis_url) == 2, what="the requests")

    _disconnect_all(redis_url, after=("FLUSHALL",))

    answered = [call.result()[0] for call in asked]
    assert [answer.status for answer in answered] == [503, 503]
    assert all(b"the queue went away before an answer" in answer.body for answer in answered)


def test_who_waits_for_what_redis_still_has_waits_on_after_a_lost_connection(
    redis_url: str, client: QueueClient, holding: FakeModelServer
) -> None:
    asked = at_once(client, [b"hold", b"waits"])
    wait_until(lambda: depth(redis_url) == 2, what="the requests")

    _disconnect_all(redis_url, after=("CONFIG", "RESETSTAT"))
    with redis.Redis.from_url(redis_url) as connection:
        wait_until(lambda: "cmdstat_lmpop" in connection.info("commandstats"), what="a look at what is lost")
    holding.servicer.gate.set()

    assert [call.result()[0].status for call in asked] == [200, 200]


def _disconnect_all(url: str, *, after: tuple[str, ...]) -> None:
    """Run a command and cut all connections in one step, as a Redis does that ends and comes back."""
    with redis.Redis.from_url(url) as connection, connection.pipeline(transaction=True) as step:
        step.execute_command(*after)
        step.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        step.execute()


def _ended_or_done(server: Server, asking: Asking) -> bool:
    return asking.done or server.process.poll() is not None


def _owner(url: str) -> str:
    with redis.Redis.from_url(url) as connection:
        return (connection.hget(f"servoir:queue:{MODEL}:state", "owner") or b"").decode()
