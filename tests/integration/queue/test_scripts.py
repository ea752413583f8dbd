"""The scripts by themselves: claims against the policy in Python, wakes, sealing, and that a step is done once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.queue import broker, keys
from services.queue.batching import choose
from services.queue.scripts import run
from tests.integration.queue.scripted import MODEL, claim, enqueue, finish, offer, own, replies


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    left=st.lists(st.sampled_from([0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 60.0]), max_size=12),
    limits=st.lists(st.integers(0, 7).map(float), min_size=1, max_size=6).map(sorted),
    least=st.integers(0, 3).map(float),
    quicker=st.integers(0, 3).map(float),
)
def test_a_claim_takes_what_the_policy_chooses(
    connection: redis.Redis, left: list[float], limits: list[float], least: float, quicker: float
) -> None:
    connection.flushall()
    own(connection)
    ids = [enqueue(connection, number, seconds) for number, seconds in enumerate(left)]

    alone = max(0.0, limits[0] - quicker)
    call = broker.claim(MODEL, "me", "t1", limits, least_s=least, alone_s=alone)
    claimed = broker.read_claim(run(connection, call))

    taken, hopeless = choose([seconds - 0.001 for seconds in left], limits, least_s=least, alone_s=alone)
    assert [item.id for item in claimed.items] == [ids[place] for place in taken]
    assert claimed.late == len(hopeless)
    assert [number for number, _, answer in replies(connection) if answer.status == 504] == hopeless


def test_a_payload_is_there_as_long_as_its_item(connection: redis.Redis) -> None:
    connection.script_flush()
    enqueue(connection, 1)
    [item] = claim(connection).items

    assert connection.get(item.meta.payload) == b"payload"
    assert finish(connection, item) == 200
    assert not connection.exists(item.meta.payload)


def test_nothing_is_stored_of_what_is_refused(connection: redis.Redis) -> None:
    enqueue(connection, 1)
    before = set(connection.scan_iter())

    assert offer(connection, 2, max_items=1)[:2] == [b"refused", b"count"]
    assert offer(connection, 3, version="old")[0] == b"replan"
    assert offer(connection, 4, left_s=-1.0)[0] == b"late"

    assert set(connection.scan_iter()) == before


def test_the_last_item_of_a_request_waits_for_its_first(connection: redis.Redis) -> None:
    assert offer(connection, 1, items=2, max_ahead=0) == [b"refused", b"deadline", 0]
    assert offer(connection, 1, items=2, max_ahead=1)[0] == b"accepted"


def test_an_item_is_answered_by_the_first_who_tries(connection: redis.Redis) -> None:
    enqueue(connection, 1)
    [item] = claim(connection).items

    assert finish(connection, item, 200) == 200
    assert finish(connection, item, 500) == 0

    assert [(number, answer.status) for number, _, answer in replies(connection)] == [(1, 200)]
    assert connection.llen("servoir:queue:usage:open") == 1
    assert connection.hget(keys.of_model(MODEL, "state"), "bytes") == b"0"


def test_an_answer_after_the_deadline_is_a_504(connection: redis.Redis) -> None:
    enqueue(connection, 1)
    [item] = claim(connection).items
    connection.zadd(keys.of_model(MODEL, "deadlines"), {item.id: 1})

    assert finish(connection, item, 200) == 504

    assert replies(connection)[0][2].status == 504


def test_a_client_that_waited_long_is_not_paid_back_for_the_time_it_asked_nothing(connection: redis.Redis) -> None:
    for number in range(6):
        enqueue(connection, number, client="busy")
    claim(connection, most=4)

    for number in range(10, 14):
        enqueue(connection, number, client="new")

    assert [item.meta.client for item in claim(connection, most=4).items] == ["new", "busy", "new", "busy"]


def test_clients_whose_turn_virtual_time_has_passed_are_forgotten(connection: redis.Redis) -> None:
    for number, client in enumerate(["a", "b", "c", "c", "c", "c"]):
        enqueue(connection, number, client=client)

    claim(connection, most=4)
    claim(connection, most=1)

    assert connection.zrange(keys.of_model(MODEL, "flows:interactive"), 0, -1) == [b"c"]


def test_an_empty_claim_asks_to_be_woken_once(connection: redis.Redis, wakes: Callable[[], list[bytes]]) -> None:
    assert claim(connection).items == []

    enqueue(connection, 1)
    enqueue(connection, 2)

    assert wakes() == [MODEL.encode()]


def test_a_newcomers_item_may_be_taken_before_the_flood_that_was_there(connection: redis.Redis) -> None:
    flood = [enqueue(connection, number, client="flood") for number in range(6)]
    assert [item.id for item in claim(connection, most=2).items] == flood[:2]
    assert claim(connection, choice="newcomer").items == []

    singles = [enqueue(connection, number, client=f"single {number}") for number in (7, 8)]

    taken = [[item.id for item in claim(connection, choice="newcomer").items] for _ in range(3)]
    assert taken == [singles[:1], singles[1:], []]
    assert [item.id for item in claim(connection).items] == flood[2:]


def test_the_owner_is_woken_for_a_newcomer_where_it_asked_for_that(
    connection: redis.Redis, wakes: Callable[[], list[bytes]]
) -> None:
    for number in range(6):
        enqueue(connection, number, client="flood")
    claim(connection, most=2)
    enqueue(connection, 10, client="not heard")
    assert wakes() == []

    claim(connection, most=2, newcomers=True)
    enqueue(connection, 11, client="flood")
    enqueue(connection, 12, client="of the other class", priority="batch")
    assert wakes() == []

    enqueue(connection, 13, client="first")
    enqueue(connection, 14, client="second")
    assert wakes() == [MODEL.encode()], "once for each time that it asked"


def test_nothing_is_ahead_of_a_newcomer_that_is_waited_for(connection: redis.Redis) -> None:
    for number in range(6):
        enqueue(connection, number, client="flood")
    claim(connection, most=2, newcomers=True)
    assert offer(connection, 7, client="flood", max_ahead=0) == [b"refused", b"deadline", 6]
    assert offer(connection, 8, client="several", items=2, max_ahead=0) == [b"refused", b"deadline", 2]

    assert offer(connection, 9, client="first", max_ahead=0)[0] == b"accepted"

    assert offer(connection, 10, client="second", max_ahead=0) == [b"refused", b"deadline", 3]


def test_nobody_is_a_newcomer_where_all_have_had_the_same(
    connection: redis.Redis, wakes: Callable[[], list[bytes]]
) -> None:
    for number in range(6):
        enqueue(connection, number, client=f"client {number}")
    claim(connection, most=2, newcomers=True)

    enqueue(connection, 7, client="another")

    assert wakes() == []
    assert claim(connection, choice="newcomer").items == []
    assert len(claim(connection).items) == 5


def test_a_newcomer_after_the_wake_for_the_first_item_is_told_too(
    connection: redis.Redis, wakes: Callable[[], list[bytes]]
) -> None:
    assert claim(connection).items == []
    for number in range(3):
        enqueue(connection, number, client="flood")
    assert len(wakes()) == 1

    enqueue(connection, 7, client="single")

    assert len(wakes()) == 1


def test_a_request_with_an_old_plan_gets_the_new_one(connection: redis.Redis) -> None:
    with pytest.raises(AssertionError, match="replan"):
        enqueue(connection, 1, version="old")
    assert connection.xlen(keys.of_model(MODEL, "requests")) == 0


def test_a_batch_of_usage_is_sent_again_until_it_is_through(connection: redis.Redis) -> None:
    for number in range(3):
        enqueue(connection, number)
    for item in claim(connection).items:
        finish(connection, item)

    run(connection, broker.beat("first", 30.0))
    first = run(connection, broker.seal_usage("first", most=2))
    again = run(connection, broker.seal_usage("first", most=2))
    other = run(connection, broker.seal_usage("second", most=2))
    run(connection, broker.beat("first", 0.0))
    taken_over = run(connection, broker.seal_usage("second", most=2))

    assert first == again == taken_over
    assert len(first) == 3 and first[0].startswith(b"first.")
    assert len(other) == 2 and other[0].startswith(b"second.")
    for batch in (first, other):
        assert run(connection, broker.usage_sent(batch[0].decode())) == 1
    assert run(connection, broker.seal_usage("second")) == []
    assert connection.keys("servoir:queue:usage:*") == []
