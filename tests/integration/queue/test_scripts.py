"""The scripts by themselves: claims against the policy in Python, fencing, sealing, and that a step is done once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.queue import broker, keys
from services.queue.answers import Answer, read_reply, result_of
from services.queue.batching import choose
from services.queue.broker import Item, Meta, Offered
from services.queue.scripts import run

MODEL = "acme-script-1"


@pytest.fixture
def connection(redis_url: str) -> redis.Redis:
    connection = redis.Redis.from_url(redis_url)
    _own(connection)
    return connection


def _own(connection: redis.Redis, me: str = "me", token: str = "t1") -> None:
    assert run(connection, broker.acquire(MODEL, me, token))[0] == b"owned"
    run(connection, broker.publish_plan(MODEL, me, token, "v", b"{}"))


def _enqueue(connection: redis.Redis, number: int, left_s: float = 60.0, **how: Any) -> str:
    reply = _offer(connection, number, left_s, **how)
    assert reply[0] == b"accepted", reply
    return str(reply[1].decode())


def _offer(connection: redis.Redis, number: int, left_s: float = 60.0, **how: Any) -> list[Any]:
    meta = Meta(
        request_id=f"r{number}",
        client=how.get("client", "c"),
        model=MODEL,
        task="bbox",
        priority=how.get("priority", "interactive"),
        to=keys.replies_key("gateway"),
        request=number,
        index=0,
        size=7,
        payload=keys.payload_key(MODEL, keys.replies_key("gateway"), number, 0),
    )
    args = {
        "priority": meta.priority,
        "client": meta.client,
        "weight": how.get("weight", 1.0),
        "to": meta.to,
        "request": number,
        "bytes": 7,
        "idem": "",
        "print": "",
        "window_ms": 1000,
        "version": how.get("version", "v"),
        "max_ahead": 1000,
        "max_items": how.get("max_items", 1000),
        "max_bytes": 10**6,
        "left_ms": round(left_s * 1000),
        "by_ms": 0,
    }
    items = [Offered(meta, how.get("payload", b"payload"))] * how.get("count", 1)
    reply: list[Any] = run(connection, broker.enqueue(MODEL, args, items))
    return reply


def _claim(connection: redis.Redis, most: int = 8, me: str = "me", token: str = "t1", **how: Any) -> broker.Claimed:
    return broker.read_claim(run(connection, broker.claim(MODEL, me, token, [0.0] * most, **how)))


def _finish(connection: redis.Redis, item: Item, status: int = 200, body: bytes = b"{}") -> int:
    result = result_of(item.id, Answer(status=status, body=body, attempts=1))
    return int(
        run(
            connection,
            broker.finish(MODEL, [(result, item.meta_json, body)], quarantine_items=2, quarantine_bytes=1000),
        )[0]
    )


def _replies(connection: redis.Redis) -> list[tuple[int, int, Answer]]:
    frames: Any = connection.lrange(keys.replies_key("gateway"), 0, -1)
    return [read_reply(frame) for frame in frames]


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
    _own(connection)
    ids = [_enqueue(connection, number, seconds) for number, seconds in enumerate(left)]

    alone = max(0.0, limits[0] - quicker)
    call = broker.claim(MODEL, "me", "t1", limits, least_s=least, alone_s=alone)
    claimed = broker.read_claim(run(connection, call))

    taken, hopeless = choose([seconds - 0.001 for seconds in left], limits, least_s=least, alone_s=alone)
    assert [item.id for item in claimed.items] == [ids[place] for place in taken]
    assert claimed.late == len(hopeless)
    assert [number for number, _, answer in _replies(connection) if answer.status == 504] == hopeless


def test_a_payload_is_there_as_long_as_its_item(connection: redis.Redis) -> None:
    connection.script_flush()
    _enqueue(connection, 1)
    [item] = _claim(connection).items

    assert connection.get(item.meta.payload) == b"payload"
    assert _finish(connection, item) == 200
    assert not connection.exists(item.meta.payload)


def test_nothing_is_stored_of_what_is_refused(connection: redis.Redis) -> None:
    _enqueue(connection, 1)
    before = set(connection.scan_iter())

    assert _offer(connection, 2, max_items=1)[:2] == [b"refused", b"count"]
    assert _offer(connection, 3, version="old")[0] == b"replan"
    assert _offer(connection, 4, left_s=-1.0)[0] == b"late"

    assert set(connection.scan_iter()) == before


def test_only_the_owner_with_its_token_claims(connection: redis.Redis) -> None:
    _enqueue(connection, 1)

    assert _claim(connection, me="other").fenced
    assert _claim(connection, token="t0").fenced
    assert not _claim(connection).fenced


def test_what_runs_at_one_who_owned_before_is_not_lost_with_the_one_between(connection: redis.Redis) -> None:
    run(connection, broker.beat("me", 60.0))
    items = [_enqueue(connection, number) for number in range(3)]
    assert [claimed.id for claimed in _claim(connection).items] == items
    run(connection, broker.beat("me", 0))
    _own(connection, "other", "t2")
    assert [claimed.id for claimed in _claim(connection, me="other", token="t2").items] == items

    assert run(connection, broker.acquire(MODEL, "me", "t3", items)) == [b"owned", 0]
    assert run(connection, broker.requeue(MODEL, "me", "t3", [(item, 0.0, "") for item in items])) == [b"requeued", 3]

    assert [claimed.id for claimed in _claim(connection, token="t3").items] == items


def test_what_goes_back_keeps_the_order_in_which_it_was_accepted(connection: redis.Redis) -> None:
    ids = [reply.decode() for reply in _offer(connection, 1, count=30)[1:]]
    assert len({one.split("-")[0] for one in ids}) == 1, "all of one millisecond"
    back = [(item.id, 0.0, "") for item in _claim(connection, most=30).items]

    run(connection, broker.requeue(MODEL, "me", "t1", back[10:]))
    run(connection, broker.acquire(MODEL, "me", "t2", []))

    assert [item.id for item in _claim(connection, most=30, token="t2").items] == ids


def test_a_model_is_held_as_long_as_its_owner_lives(connection: redis.Redis) -> None:
    run(connection, broker.beat("me", 30.0))
    assert run(connection, broker.acquire(MODEL, "other", "t2")) == [b"held"]

    run(connection, broker.beat("me", 0.0))
    _enqueue(connection, 1)
    [item] = _claim(connection).items
    assert run(connection, broker.acquire(MODEL, "other", "t2")) == [b"owned", 1]

    assert _claim(connection).fenced
    assert run(connection, broker.requeue(MODEL, "me", "t1", [(item.id, 0.0, "")])) == [b"fenced"]
    assert [again.id for again in _claim(connection, me="other", token="t2").items] == [item.id]


def test_items_whose_claim_was_never_heard_of_go_back_and_those_that_run_stay(connection: redis.Redis) -> None:
    ids = [_enqueue(connection, number) for number in range(3)]
    assert len(_claim(connection).items) == 3

    assert run(connection, broker.acquire(MODEL, "me", "t2", ids[:1])) == [b"owned", 2]

    assert [item.id for item in _claim(connection, token="t2").items] == ids[1:]


def test_an_item_is_answered_by_the_first_who_tries(connection: redis.Redis) -> None:
    _enqueue(connection, 1)
    [item] = _claim(connection).items

    assert _finish(connection, item, 200) == 200
    assert _finish(connection, item, 500) == 0

    assert [(number, answer.status) for number, _, answer in _replies(connection)] == [(1, 200)]
    assert connection.llen("servoir:queue:usage:open") == 1
    assert connection.hget(keys.of_model(MODEL, "state"), "bytes") == b"0"


def test_an_answer_after_the_deadline_is_a_504(connection: redis.Redis) -> None:
    _enqueue(connection, 1, left_s=0.02)
    [item] = _claim(connection).items
    time.sleep(0.03)

    assert _finish(connection, item, 200) == 504

    assert _replies(connection)[0][2].status == 504


def test_given_back_items_go_first_and_suspects_go_alone_when_it_is_time(connection: redis.Redis) -> None:
    ids = [_enqueue(connection, number) for number in range(4)]
    taken = _claim(connection, most=2).items
    back = [(taken[0].id, 0.0, '[{"replica":"a","reason":"b","at_s":1}]'), (taken[1].id, 0.0, "")]
    assert run(connection, broker.requeue(MODEL, "me", "t1", back)) == [b"requeued", 2]

    fresh = _claim(connection)
    suspect = _claim(connection, choice="suspect")

    assert [item.id for item in fresh.items] == ids[1:]
    assert fresh.suspects == 1
    assert [item.id for item in suspect.items] == ids[:1]
    assert suspect.items[0].history.startswith("[{")
    assert suspect.suspects == 0


def test_a_suspect_waits_for_its_time_and_keeps_its_history_over_a_takeover(connection: redis.Redis) -> None:
    _enqueue(connection, 1)
    [item] = _claim(connection).items
    run(connection, broker.requeue(MODEL, "me", "t1", [(item.id, 30.0, "[1]")]))

    waiting = _claim(connection, choice="suspect")
    assert waiting.items == [] and 29 < waiting.next_suspect_s <= 30

    connection.zadd(keys.of_model(MODEL, "retries"), {item.id: 0})
    assert _claim(connection, choice="suspect").items[0].id == item.id
    run(connection, broker.acquire(MODEL, "me", "t2"))
    assert _claim(connection, token="t2").items == []
    assert _claim(connection, token="t2", choice="suspect").items[0].history == "[1]"


def test_a_client_that_waited_long_is_not_paid_back_for_the_time_it_asked_nothing(connection: redis.Redis) -> None:
    for number in range(6):
        _enqueue(connection, number, client="busy")
    _claim(connection, most=4)

    for number in range(10, 14):
        _enqueue(connection, number, client="new")

    assert [item.meta.client for item in _claim(connection, most=4).items] == ["new", "busy", "new", "busy"]


@pytest.fixture
def wakes(connection: redis.Redis) -> Iterator[Callable[[], list[bytes]]]:
    """What returns the wakes that came since it was called last."""
    channel = connection.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(keys.wake_channel("me"))
    channel.get_message(timeout=5)

    def heard() -> list[bytes]:
        messages = iter(lambda: channel.get_message(timeout=0.2), None)
        return [message["data"] for message in messages]

    yield heard
    channel.close()


def test_an_empty_claim_asks_to_be_woken_once(connection: redis.Redis, wakes: Callable[[], list[bytes]]) -> None:
    assert _claim(connection).items == []

    _enqueue(connection, 1)
    _enqueue(connection, 2)

    assert wakes() == [MODEL.encode()]


def test_a_newcomers_item_may_be_taken_before_the_flood_that_was_there(connection: redis.Redis) -> None:
    flood = [_enqueue(connection, number, client="flood") for number in range(6)]
    assert [item.id for item in _claim(connection, most=2).items] == flood[:2]
    assert _claim(connection, choice="newcomer").items == []

    singles = [_enqueue(connection, number, client=f"single {number}") for number in (7, 8)]

    taken = [[item.id for item in _claim(connection, choice="newcomer").items] for _ in range(3)]
    assert taken == [singles[:1], singles[1:], []]
    assert [item.id for item in _claim(connection).items] == flood[2:]


def test_the_owner_is_woken_for_a_newcomer_where_it_asked_for_that(
    connection: redis.Redis, wakes: Callable[[], list[bytes]]
) -> None:
    for number in range(6):
        _enqueue(connection, number, client="flood")
    _claim(connection, most=2)
    _enqueue(connection, 10, client="not heard")
    assert wakes() == []

    _claim(connection, most=2, newcomers=True)
    _enqueue(connection, 11, client="flood")
    _enqueue(connection, 12, client="of the other class", priority="batch")
    assert wakes() == []

    _enqueue(connection, 13, client="first")
    _enqueue(connection, 14, client="second")
    assert wakes() == [MODEL.encode()], "once for each time that it asked"


def test_nobody_is_a_newcomer_where_all_have_had_the_same(
    connection: redis.Redis, wakes: Callable[[], list[bytes]]
) -> None:
    for number in range(6):
        _enqueue(connection, number, client=f"client {number}")
    _claim(connection, most=2, newcomers=True)

    _enqueue(connection, 7, client="another")

    assert wakes() == []
    assert _claim(connection, choice="newcomer").items == []
    assert len(_claim(connection).items) == 5


def test_a_newcomer_after_the_wake_for_the_first_item_is_told_too(
    connection: redis.Redis, wakes: Callable[[], list[bytes]]
) -> None:
    assert _claim(connection).items == []
    for number in range(3):
        _enqueue(connection, number, client="flood")
    assert len(wakes()) == 1

    _enqueue(connection, 7, client="single")

    assert len(wakes()) == 1


def test_a_request_with_an_old_plan_gets_the_new_one(connection: redis.Redis) -> None:
    with pytest.raises(AssertionError, match="replan"):
        _enqueue(connection, 1, version="old")
    assert connection.xlen(keys.of_model(MODEL, "requests")) == 0


def _quarantine(connection: redis.Redis, *payloads: bytes, **most: int) -> None:
    for number, payload in enumerate(payloads):
        _enqueue(connection, number, payload=payload)
    for item in _claim(connection).items:
        result = result_of(item.id, Answer(500, b"{}"), failed="[]")
        call = broker.finish(MODEL, [(result, item.meta_json, b"{}")], **most)
        run(connection, call)


def _quarantined(connection: redis.Redis) -> list[bytes]:
    entries: Any = connection.xrange(keys.of_model(MODEL, "quarantine"))
    return [fields[b"payload"] for _, fields in entries]


def test_a_quarantine_keeps_the_newest(connection: redis.Redis) -> None:
    _quarantine(connection, b"1", b"2", b"3", b"4", quarantine_items=2, quarantine_bytes=1000)

    assert _quarantined(connection) == [b"3", b"4"]
    assert run(connection, broker.drop_quarantined(MODEL, [])) == 2
    assert not list(connection.scan_iter(keys.of_model(MODEL, "quarantine*")))


def test_a_quarantine_keeps_no_more_bytes_than_it_may_and_the_newest_always(connection: redis.Redis) -> None:
    _quarantine(connection, b"1" * 40, b"2" * 40, b"3" * 40, quarantine_items=9, quarantine_bytes=100)
    assert _quarantined(connection) == [b"2" * 40, b"3" * 40]

    [(oldest, _), _] = connection.xrange(keys.of_model(MODEL, "quarantine"))  # type: ignore[misc]
    assert run(connection, broker.drop_quarantined(MODEL, [oldest.decode(), "1-1"])) == 1
    _quarantine(connection, b"4" * 40, quarantine_items=9, quarantine_bytes=100)
    assert _quarantined(connection) == [b"3" * 40, b"4" * 40], "what was dropped does not count"

    _quarantine(connection, b"5" * 200, quarantine_items=9, quarantine_bytes=100)
    assert _quarantined(connection) == [b"5" * 200]


def test_a_batch_of_usage_is_sent_again_until_it_is_through(connection: redis.Redis) -> None:
    for number in range(3):
        _enqueue(connection, number)
    for item in _claim(connection).items:
        _finish(connection, item)

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
