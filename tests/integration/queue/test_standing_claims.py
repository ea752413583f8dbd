"""Standing claims: an owner with nothing to do has the next item as it comes, told with the wake, or not at all."""

from __future__ import annotations

import time

import pytest
import redis

from services.queue import keys
from services.queue.client import QueueClient
from services.queue.wakes import Grant, read_wake
from tests.fakes import MODEL as SERVED
from tests.fakes import FakeModelServer, prediction_of
from tests.integration.queue.asking import Asking, ask, depth, planned
from tests.integration.queue.conftest import StartDispatcher, Wakes
from tests.integration.queue.scripted import MODEL, claim, enqueue, finish, own
from tests.parts import wait_until

NEEDED_S = 0.5


def stand(connection: redis.Redis) -> None:
    assert claim(connection, standing_s=NEEDED_S).items == []


def granted(wakes: Wakes) -> Grant | None:
    """Return what the one wake says that came."""
    [wake] = wakes()
    model, grant = read_wake(wake)
    assert model == MODEL
    return grant


def test_the_next_item_is_told_with_the_wake_and_waits_nowhere(connection: redis.Redis, wakes: Wakes) -> None:
    stand(connection)
    before_s = time.time()

    entry = enqueue(connection, 1, left_s=20.0)

    grant = granted(wakes)
    assert grant
    item = grant.item(now_s=grant.deadline_s - 7.5)
    assert (grant.token, item.id, item.meta.request_id, item.left_s) == ("t1", entry, "r1", 7.5)
    assert before_s + 19.0 < grant.deadline_s < time.time() + 21.0
    assert claim(connection).items == []
    assert finish(connection, item) == 200
    assert connection.xlen(keys.of_model(MODEL, "requests")) == 0


def test_a_standing_claim_gets_one_item(connection: redis.Redis, wakes: Wakes) -> None:
    stand(connection)
    enqueue(connection, 1)
    assert granted(wakes)

    second = enqueue(connection, 2)

    assert granted(wakes) is None
    assert [item.id for item in claim(connection).items] == [second]


@pytest.mark.parametrize(
    "offered", [{"left_s": NEEDED_S - 0.1}, {"items": 2}], ids=["too little time left", "more than one item"]
)
def test_what_does_not_suit_it_waits_in_its_order(
    connection: redis.Redis, wakes: Wakes, offered: dict[str, float]
) -> None:
    stand(connection)

    enqueue(connection, 1, **offered)

    assert granted(wakes) is None
    assert len(claim(connection).items) == offered.get("items", 1)


def test_what_no_owner_hears_waits_in_its_order(connection: redis.Redis) -> None:
    stand(connection)

    entry = enqueue(connection, 1)

    assert [item.id for item in claim(connection).items] == [entry]


def test_the_last_answer_makes_one_unless_another_came_meanwhile(connection: redis.Redis, wakes: Wakes) -> None:
    def answer(number: int, **how: float | str) -> None:
        [item] = claim(connection).items
        if how.pop("meanwhile", False):
            enqueue(connection, 10 + number)
        finish(connection, item, me="me", standing_s=NEEDED_S, **how)
        wakes()

    enqueue(connection, 1)
    answer(1, token="t1")
    enqueue(connection, 2)
    assert granted(wakes), "nothing else waited"

    enqueue(connection, 3)
    answer(3, token="an older one")
    enqueue(connection, 4)
    assert granted(wakes) is None, "who answered owns it no more"

    answer(4, token="t1", meanwhile=True)
    enqueue(connection, 5)
    assert wakes() == [], "the owner was woken for the one before"
    assert len(claim(connection).items) == 2


def test_one_ends_with_the_ownership_and_what_it_got_goes_to_the_next_owner(
    connection: redis.Redis, wakes: Wakes
) -> None:
    stand(connection)
    entry = enqueue(connection, 1)
    assert granted(wakes)
    stand(connection)

    own(connection, token="t2")

    assert [item.id for item in claim(connection, token="t2").items] == [entry]
    enqueue(connection, 2)
    assert granted(wakes) is None


def test_an_item_that_comes_alone_is_claimed_as_it_comes(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    standing(redis_url, client)

    answers = [ask(client, b"%d" % number)[0] for number in range(20)]

    assert [answer.body for answer in answers] == [prediction_of(b"%d" % number) for number in range(20)]
    assert [answer.wait_s for answer in answers].count(0.0) > 10  # all, but where a sweep looked just then


def test_a_grant_that_was_not_heard_is_made_good_when_the_owner_hears_again(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    start_dispatcher()
    owner = standing(redis_url, client)
    with redis.Redis.from_url(redis_url) as connection, connection.pubsub(ignore_subscribe_messages=True) as other:
        [heard_by] = connection.client_list(_type="pubsub")
        other.subscribe(keys.wake_channel(owner))
        other.get_message(timeout=5)
        connection.client_kill_filter(_id=heard_by["id"])

        [answer] = ask(client, b"unheard")

        message = other.get_message(timeout=5)
    assert message
    assert read_wake(message["data"])[1]
    assert (answer.status, answer.body, answer.attempts) == (200, prediction_of(b"unheard"), 1)


def test_the_deadline_of_what_was_granted_to_an_owner_that_stood_still_is_what_it_was(
    redis_url: str, client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher
) -> None:
    dispatcher = start_dispatcher()
    standing(redis_url, client)

    dispatcher.pause()
    asked = Asking(lambda: ask(client, b"x", timeout_s=10.0))
    wait_until(lambda: depth(redis_url) == 1, what="the request")
    accepted_s = time.perf_counter()
    time.sleep(0.5)
    dispatcher.resume()

    assert asked.result()[0].status == 200
    assert served.servicer.deadlines_s[-1] <= accepted_s + 10.0


def standing(url: str, client: QueueClient) -> str:
    """Wait until the dispatcher has made a standing claim; return which it is."""
    planned(url)
    ask(client, b"x", request_id="first")
    state = keys.of_model(SERVED, "state")
    with redis.Redis.from_url(url) as connection:
        wait_until(lambda: connection.hget(state, "standing"), what="a standing claim")
        owner: bytes = connection.hget(state, "owner")
    return owner.decode()
