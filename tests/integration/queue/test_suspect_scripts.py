"""Items that were given back: those of whom nothing is known at once, suspects alone and later."""

from __future__ import annotations

import redis

from services.queue import broker, keys
from services.queue.scripts import run
from tests.integration.queue.scripted import MODEL, claim, enqueue, finish, give_back, replies


def test_given_back_items_go_first_and_suspects_go_alone_when_it_is_time(connection: redis.Redis) -> None:
    ids = [enqueue(connection, number) for number in range(4)]
    taken = claim(connection, most=2).items
    back = [(taken[0].id, 0.0, '[{"replica":"a","reason":"b","at_s":1}]'), (taken[1].id, 0.0, "")]
    assert run(connection, broker.requeue(MODEL, "me", "t1", back)) == [b"requeued", 2]

    fresh = claim(connection)
    suspect = claim(connection, choice="suspect")

    assert [item.id for item in fresh.items] == ids[1:]
    assert fresh.suspects == 1
    assert [item.id for item in suspect.items] == ids[:1]
    assert suspect.items[0].history.startswith("[{")
    assert suspect.suspects == 0


def test_a_suspect_waits_for_its_time_and_keeps_its_history_over_a_takeover(connection: redis.Redis) -> None:
    enqueue(connection, 1)
    [item] = claim(connection).items
    give_back(connection, item, "[1]", later_s=30.0)

    waiting = claim(connection, choice="suspect")
    assert waiting.items == [] and 29 < waiting.next_suspect_s <= 30

    connection.zadd(keys.of_model(MODEL, "retries"), {item.id: 0})
    assert claim(connection, choice="suspect").items[0].id == item.id
    run(connection, broker.acquire(MODEL, "me", "t2"))
    assert claim(connection, token="t2").items == []
    assert claim(connection, token="t2", choice="suspect").items[0].history == "[1]"


def test_a_suspect_whose_time_passes_while_it_waits_is_answered_so(connection: redis.Redis) -> None:
    enqueue(connection, 1)
    [item] = claim(connection).items
    give_back(connection, item, "[1]")
    connection.zadd(keys.of_model(MODEL, "deadlines"), {item.id: 1})

    claimed = claim(connection, choice="suspect")

    assert (claimed.items, claimed.late) == ([], 1)
    assert [answer.status for _, _, answer in replies(connection)] == [504]


def test_nothing_is_left_of_a_suspect_that_is_answered(connection: redis.Redis) -> None:
    enqueue(connection, 1)
    [item] = claim(connection).items
    give_back(connection, item, "[1]")

    assert finish(connection, item) == 200

    assert not connection.exists(keys.of_model(MODEL, "history"), keys.of_model(MODEL, "retries"))


def test_an_answered_item_that_is_given_back_stays_answered(connection: redis.Redis) -> None:
    enqueue(connection, 1)
    [item] = claim(connection).items
    assert finish(connection, item) == 200

    assert give_back(connection, item) == [b"requeued", 0]

    assert not connection.exists(keys.of_model(MODEL, "order:first"))
