"""Deadlines, admission, order and idempotency, on real parts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
import redis

from chassis.errors import Conflict, DeadlineExceeded, Unavailable
from services.queue.client import Answer, PredictCall, QueueClient, QueueOperator
from tests.fakes import MODEL, FakeModelServer, FakeRegistry, HashServicer, lease, prediction_of
from tests.integration.queue.asking import Asking, answers, ask, at_once, at_work, depth, planned
from tests.integration.queue.conftest import StartDispatcher
from tests.parts import ROOT, start_redis, wait_until


def test_a_request_that_nobody_answers_is_answered_at_its_deadline(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    registry.lease(lease("nobody", "127.0.0.1:1"))
    start_dispatcher()
    planned(redis_url)

    [answer] = ask(client, b"x", timeout_s=0.5)

    assert answer.status == 504
    assert depth(redis_url) == 0
    wait_until(lambda: [one.status for one in registry.counted()] == [504], what="its usage")


def test_a_request_that_lay_before_a_paused_redis_until_its_deadline_never_runs(
    tmp_path: Path, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server, url = start_redis(tmp_path)
    quick = FakeModelServer(HashServicer())
    registry.lease(lease("quick", quick.address))
    start_dispatcher(url)
    planned(url)
    gateway = QueueClient(url)
    gateway.start()
    wait_until(lambda: gateway.asynchronous._replies.clock.at_s(0.0) is not None, what="Redis's time")
    assert ask(gateway, b"before", request_id="before")[0].status == 200

    server.pause()
    late = Asking(lambda: ask(gateway, b"late", request_id="late", timeout_s=0.5))
    wait_until(lambda: late.done, what="its end")
    server.resume()

    with pytest.raises((DeadlineExceeded, Unavailable)):
        late.result()
    wait_until(lambda: answers(gateway), what="an answer after it")
    assert [ids for ids in quick.servicer.batches if "late" in ids] == []
    assert depth(url) == 0
    gateway.close()
    server.stop()
    quick.stop()


def test_a_model_server_is_told_deadlines_by_its_own_clock_from_the_first_batch_on(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)

    for number in range(3):
        began_s = time.perf_counter()
        ask(client, b"%d" % number, timeout_s=20.0)
        due_s = served.servicer.deadlines_s[number]
        assert began_s + 15.0 < due_s <= time.perf_counter() + 20.0


def _begun(queue: QueueClient, payload: bytes, **how: str) -> Future[list[Answer]]:
    """Return a prediction that can be cancelled."""
    call = PredictCall(model_key=MODEL, task="bbox", timeout_s=20.0, **how)  # type: ignore[arg-type]
    assert queue._loop
    return asyncio.run_coroutine_threadsafe(queue.asynchronous.predict([payload], call), queue._loop)


def test_what_nobody_waits_for_any_more_never_runs(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("one by one", server.address, batch_size=1))
    start_dispatcher()
    planned(redis_url)
    before = at_once(client, [b"hold 1", b"hold 2"], request_id="stays")
    wait_until(lambda: at_work(redis_url) == 2, what="one that runs, one that waits at the server")

    left = _begun(client, b"hold 3", request_id="leaves")
    with_key = _begun(client, b"hold 4", request_id="stays", idempotency_key="k")
    wait_until(lambda: depth(redis_url) == 4, what="all of them")
    left.cancel()
    with_key.cancel()
    wait_until(lambda: depth(redis_url) == 3, what="its end")
    server.servicer.gate.set()

    assert [one.result()[0].status for one in before] == [200, 200]
    wait_until(lambda: len(registry.counted()) == 4, what="usage of all")
    assert server.servicer.batches == [["stays"]] * 3
    assert sorted(one.status for one in registry.counted()) == [200, 200, 200, 499]
    server.stop()


def test_late_requests_of_gateways_that_are_gone_are_swept_and_never_run(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    registry.lease(lease("nobody", "127.0.0.1:1"))
    start_dispatcher()
    planned(redis_url)
    code = f"""
from services.queue.client import PredictCall, QueueClient
client = QueueClient({redis_url!r})
client.start()
client.predict([b"x"], PredictCall(model_key={MODEL!r}, task="bbox", request_id="x", timeout_s=1.0))
"""
    gateway = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    wait_until(lambda: depth(redis_url) == 1, what="the request")
    gateway.kill()
    gateway.wait()

    wait_until(lambda: depth(redis_url) == 0, what="a sweep")

    late = FakeModelServer(HashServicer())
    registry.lease(lease("late", late.address))
    assert ask(client, b"y", request_id="y")[0].status == 200
    assert late.servicer.batches == [["y"]]
    late.stop()


def test_an_answer_that_comes_late_is_a_504_and_counts_once(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    slow = FakeModelServer(HashServicer(delay_s=0.6))
    registry.lease(lease("slow", slow.address))
    start_dispatcher()
    planned(redis_url)

    assert ask(client, b"x", timeout_s=0.3)[0].status == 504

    assert ask(client, b"y")[0].status == 200
    wait_until(lambda: len(registry.counted()) == 2, what="usage")
    assert sorted(one.status for one in registry.counted()) == [200, 504]
    slow.stop()


def test_a_flood_of_one_client_does_not_delay_the_single_request_of_another(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer(delay_s=0.05))
    registry.lease(lease("one", server.address, batch_size=4, service_s=0.05))
    start_dispatcher()
    planned(redis_url)
    flood = at_once(client, [b"%d" % number for number in range(80)], client_id="flood", request_id="flood")
    wait_until(lambda: depth(redis_url) > 60, what="a flood")

    ask(client, b"single", client_id="single", request_id="single")

    wait_until(lambda: all(call.done for call in flood), what="the flood's end")
    single = next(place for place, batch in enumerate(server.servicer.batches) if "single" in batch)
    before = sum(map(len, server.servicer.batches[:single]))
    assert before < 40, "it went past most of the flood"
    server.stop()


def test_a_newcomer_is_answered_while_a_flood_fills_the_server(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("one", server.address, batch_size=4))
    start_dispatcher()
    planned(redis_url)
    flood = Asking(lambda: ask(client, *[b"hold"] * 20, client_id="flood", request_id="flood"))
    wait_until(lambda: at_work(redis_url) == 8, what="a batch that runs and one that waits")

    for name in ("first", "second"):
        assert ask(client, b"single", client_id=name, request_id=name)[0].status == 200

    assert not flood.done
    server.servicer.gate.set()
    assert [answer.status for answer in flood.result()] == [200] * 20
    assert sorted(map(len, server.servicer.batches)) == [1, 1, 4, 4, 4, 4, 4]
    server.stop()


def test_a_newcomer_that_a_slow_idle_server_cannot_answer_in_time_goes_to_the_quick_full_one(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    slow, quick = FakeModelServer(HashServicer()), FakeModelServer(HashServicer())
    registry.lease(
        lease("slow", slow.address, batch_size=1, service_s=50.0),
        lease("quick", quick.address, batch_size=4, service_s=0.02),
    )
    start_dispatcher()
    planned(redis_url, replicas=2)
    flood = Asking(lambda: ask(client, *[b"hold"] * 20, client_id="flood", request_id="flood"))
    wait_until(lambda: at_work(redis_url) == 8, what="a batch that runs and one that waits")

    assert ask(client, b"single", client_id="single", request_id="single")[0].status == 200

    assert not flood.done
    quick.servicer.gate.set()
    assert [answer.status for answer in flood.result()] == [200] * 20
    assert slow.servicer.batches == []
    for server in slow, quick:
        server.stop()


def test_clients_share_by_their_weights(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("one", server.address, batch_size=1))
    start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"hold"])
    wait_until(lambda: server.servicer.batches, what="a busy server")
    for name, weight in (("light", 1.0), ("heavy", 3.0)):
        asked += at_once(client, [b"x"] * 30, client_id=name, request_id=name, weight=weight)
    wait_until(lambda: depth(redis_url) + sum(call.done for call in asked) == 61, what="all of them")
    server.servicer.gate.set()

    for call in asked:
        assert call.result()[0].status == 200

    order = [batch[0] for batch in server.servicer.batches if batch[0] != "r"]
    assert 26 <= order[:40].count("heavy") <= 30
    server.stop()


def test_the_batch_class_goes_after_interactive_and_is_not_starved(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("one", server.address, batch_size=1))
    start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"hold"])
    wait_until(lambda: server.servicer.batches, what="a busy server")
    asked += at_once(client, [b"x"] * 20, priority="batch", request_id="batch")
    wait_until(lambda: depth(redis_url) == 21, what="the batch class")
    asked += at_once(client, [b"x"] * 60, request_id="interactive")
    wait_until(lambda: depth(redis_url) == 81, what="all of them")
    server.servicer.gate.set()

    for call in asked:
        assert call.result()[0].status == 200

    order = [batch[0] for batch in server.servicer.batches if batch[0] != "r"]
    assert 3 <= order[:50].count("batch") <= 7, "a tenth"
    server.stop()


def test_an_idempotency_key_gives_the_same_answer_without_running_again(
    redis_url: str,
    client: QueueClient,
    served: FakeModelServer,
    start_dispatcher: StartDispatcher,
    registry: FakeRegistry,
) -> None:
    start_dispatcher()
    planned(redis_url)
    first = ask(client, b"a", b"b", idempotency_key="k", client_id="c", request_id="first")

    again = ask(client, b"a", b"b", idempotency_key="k", client_id="c", request_id="again")
    other = ask(client, b"a", b"b", idempotency_key="k", client_id="d", request_id="other")

    assert again == first
    assert [answer.body for answer in other] == [answer.body for answer in first]
    assert {name for batch in served.servicer.batches for name in batch} == {"first", "other"}
    with pytest.raises(Conflict):
        ask(client, b"a", b"c", idempotency_key="k", client_id="c")
    wait_until(lambda: len(registry.counted()) == 4, what="usage of what ran")


def test_what_is_kept_of_an_idempotency_key_is_forgotten_after_its_window(
    redis_url: str, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)
    gateway = QueueClient(redis_url, idempotency_window_s=500.0)
    gateway.start()

    ask(gateway, b"x", idempotency_key="k")

    with redis.Redis.from_url(redis_url) as connection:
        [kept] = connection.keys("servoir:queue:idem:*")
        assert 0 < connection.pttl(kept) <= 500_000
    gateway.close()


def test_an_idempotency_key_joins_a_request_that_runs(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    slow = FakeModelServer(HashServicer(delay_s=0.5))
    registry.lease(lease("slow", slow.address))
    start_dispatcher()
    planned(redis_url)
    gone, other = QueueClient(redis_url), QueueClient(redis_url)
    other.start()
    gone.start()
    Asking(lambda: ask(gone, b"x", idempotency_key="k", request_id="lost"))
    wait_until(lambda: at_work(redis_url) == 1, what="a request that runs")
    gone.close()

    joined = ask(other, b"x", idempotency_key="k", request_id="retry")

    assert joined[0].body == prediction_of(b"x")
    assert slow.servicer.batches == [["lost"]]
    other.close()
    slow.stop()


def test_a_key_whose_request_was_never_answered_may_be_tried_again(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    registry.lease(lease("nobody", "127.0.0.1:1"))
    start_dispatcher()
    planned(redis_url)
    assert ask(client, b"x", idempotency_key="k", timeout_s=0.3)[0].status == 504
    server = FakeModelServer(HashServicer())
    registry.lease(lease("somebody", server.address))

    assert ask(client, b"x", idempotency_key="k")[0].status == 200
    server.stop()


def test_two_dispatchers_do_not_split_what_could_be_one_batch(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer())
    registry.lease(lease("one", server.address))
    start_dispatcher()
    start_dispatcher()
    planned(redis_url)
    asked = at_once(client, [b"hold"])
    wait_until(lambda: server.servicer.batches, what="a busy server")
    asked += at_once(client, [b"%d" % number for number in range(32)])
    # The first of them may have been answered already: it may run beside the busy server as a newcomer.
    wait_until(lambda: depth(redis_url) + sum(call.done for call in asked) == 33, what="all of them")
    server.servicer.gate.set()

    for call in asked:
        assert call.result()[0].status == 200

    assert [len(batch) for batch in server.servicer.batches].count(8) >= 3
    server.stop()


def test_one_who_joins_gets_its_share_of_the_models(
    redis_url: str, registry: FakeRegistry, start_dispatcher: StartDispatcher, client: QueueClient
) -> None:
    keys = [f"acme-m{number}-1" for number in range(32)]  # all of them stay where they are once in 2**32
    server = FakeModelServer(HashServicer(), threads=2 * len(keys))
    registry.lease(*(lease(key, server.address, model_key=key) for key in keys))
    connection = redis.Redis.from_url(redis_url)

    def owners() -> set[bytes | None]:
        return {connection.hget(f"servoir:queue:{key}:state", "owner") for key in keys}

    start_dispatcher()
    wait_until(lambda: len(owners() - {None, b""}) == 1 and None not in owners(), what="one owner of all")
    start_dispatcher()
    wait_until(lambda: len(owners() - {None, b""}) == 2 and b"" not in owners(), what="two owners")

    for key in keys:
        [answer] = ask(client, b"x", model=key)
        assert answer.status == 200
    server.stop()


def test_a_quarantined_item_can_be_replayed(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)
    assert ask(client, b"fail")[0].status == 500
    operator = QueueOperator(redis_url)
    [item] = operator.quarantine(MODEL)
    served.servicer.obeys = False

    answer = operator.replay(client, operator.quarantined(MODEL, item.id), request_id="again", timeout_s=30)

    assert (answer.status, json.loads(answer.body)["size"]) == (200, 4)
    assert operator.quarantine(MODEL) == []


def test_an_item_that_fails_again_is_quarantined_once(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    planned(redis_url)
    assert ask(client, b"fail")[0].status == 500
    operator = QueueOperator(redis_url)
    [item] = operator.quarantine(MODEL)

    answer = operator.replay(client, operator.quarantined(MODEL, item.id), request_id="again", timeout_s=30)

    assert answer.status == 500
    [anew] = operator.quarantine(MODEL)
    assert anew.id != item.id and anew.meta.request_id == "again"
