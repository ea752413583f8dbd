"""Who owns a model: one alone, as long as it lives, and what goes back when another takes over."""

from __future__ import annotations

import pytest
import redis

from services.queue import broker, keys
from services.queue.scripts import run
from tests.integration.queue.scripted import MODEL, claim, enqueue, finish, give_back, offer, own


def test_only_the_owner_with_its_token_claims(connection: redis.Redis) -> None:
    enqueue(connection, 1)

    assert claim(connection, me="other").fenced
    assert claim(connection, token="t0").fenced
    assert not claim(connection).fenced


def test_a_model_is_held_as_long_as_its_owner_lives(connection: redis.Redis) -> None:
    run(connection, broker.beat("me", 30.0))
    assert run(connection, broker.acquire(MODEL, "other", "t2")) == [b"held"]

    run(connection, broker.beat("me", 0.0))
    enqueue(connection, 1)
    [item] = claim(connection).items
    assert run(connection, broker.acquire(MODEL, "other", "t2")) == [b"owned", 1]

    assert claim(connection).fenced
    assert give_back(connection, item) == [b"fenced"]
    assert [again.id for again in claim(connection, me="other", token="t2").items] == [item.id]


def test_items_whose_claim_was_never_heard_of_go_back_and_those_that_run_stay(connection: redis.Redis) -> None:
    ids = [enqueue(connection, number) for number in range(3)]
    assert len(claim(connection).items) == 3

    assert run(connection, broker.acquire(MODEL, "me", "t2", ids[:1])) == [b"owned", 2]

    assert [item.id for item in claim(connection, token="t2").items] == ids[1:]


def test_what_runs_at_one_who_owned_before_is_not_lost_with_the_one_between(connection: redis.Redis) -> None:
    run(connection, broker.beat("me", 60.0))
    items = [enqueue(connection, number) for number in range(3)]
    assert [claimed.id for claimed in claim(connection).items] == items
    run(connection, broker.beat("me", 0))
    own(connection, "other", "t2")
    assert [claimed.id for claimed in claim(connection, me="other", token="t2").items] == items

    assert run(connection, broker.acquire(MODEL, "me", "t3", items)) == [b"owned", 0]
    assert run(connection, broker.requeue(MODEL, "me", "t3", [(item, 0.0, "") for item in items])) == [b"requeued", 3]

    assert [claimed.id for claimed in claim(connection, token="t3").items] == items


def test_all_that_was_claimed_goes_back_however_much_it_is(connection: redis.Redis) -> None:
    ids = [enqueue(connection, number) for number in range(900)]
    assert len(claim(connection, most=900).items) == 900

    assert run(connection, broker.acquire(MODEL, "me", "t2", [ids[0], ids[700]])) == [b"owned", 898]

    assert {item.id for item in claim(connection, most=900, token="t2").items} == {*ids} - {ids[0], ids[700]}


@pytest.mark.parametrize(("me", "token"), [("me", "t1"), ("other", "t2")], ids=["an old token", "another"])
def test_who_owns_no_more_releases_retires_and_publishes_nothing(connection: redis.Redis, me: str, token: str) -> None:
    own(connection, "me", "t2")

    assert run(connection, broker.release(MODEL, me, token)) == [b"fenced"]
    assert run(connection, broker.publish_plan(MODEL, me, token, "theirs", b"{}")) == [b"fenced"]
    assert run(connection, broker.retire(MODEL, me, token)) == [b"fenced"]

    assert connection.hmget(keys.of_model(MODEL, "state"), "owner", "token", "plan") == [b"me", b"t2", b"v"]


def test_a_model_for_which_somebody_waits_is_not_retired(connection: redis.Redis) -> None:
    enqueue(connection, 1)

    assert run(connection, broker.retire(MODEL, "me", "t1")) == [b"busy"]
    [item] = claim(connection).items
    assert run(connection, broker.retire(MODEL, "me", "t1")) == [b"busy"]

    assert finish(connection, item) == 200
    assert run(connection, broker.retire(MODEL, "me", "t1")) == [b"retired"]


def test_what_goes_back_keeps_the_order_in_which_it_was_accepted(connection: redis.Redis) -> None:
    ids = [reply.decode() for reply in offer(connection, 1, items=30)[1:]]
    assert len({one.split("-")[0] for one in ids}) == 1, "all of one millisecond"
    back = [(item.id, 0.0, "") for item in claim(connection, most=30).items]

    run(connection, broker.requeue(MODEL, "me", "t1", back[10:]))
    run(connection, broker.acquire(MODEL, "me", "t2", []))

    assert [item.id for item in claim(connection, most=30, token="t2").items] == ids
