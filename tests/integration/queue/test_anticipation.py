"""Clients that ask one thing after another come back at once, and are waited for where that serves all better."""

from __future__ import annotations

import redis

from services.queue.anticipation import Awaited
from services.queue.client import QueueClient
from tests.fakes import FakeModelServer, FakeRegistry, HashServicer, lease, prediction_of
from tests.integration.queue.asking import Asking, ask, planned
from tests.integration.queue.conftest import StartDispatcher, Wakes
from tests.integration.queue.scripted import claim, enqueue, give_back

CLIENTS, ROUNDS = 8, 25


def test_the_owner_is_woken_once_all_are_back(connection: redis.Redis, wakes: Wakes) -> None:
    two = [enqueue(connection, number) for number in range(2)]
    three_more = Awaited(returning=3, within_s=1.0, enough=8)

    held = claim(connection, awaited=three_more)
    more = [enqueue(connection, number) for number in (2, 3)]
    before = wakes()
    more.append(enqueue(connection, 4))

    assert (held.held, held.items, held.waiting) == (True, [], 2)
    assert (before, len(wakes())) == ([], 1)
    assert [item.id for item in claim(connection, awaited=three_more._replace(returning=0)).items] == [*two, *more]


def test_one_wake_is_enough(connection: redis.Redis, wakes: Wakes) -> None:
    enqueue(connection, 0)
    claim(connection, awaited=Awaited(returning=1, within_s=1.0, enough=8))

    for number in range(1, 4):
        enqueue(connection, number)

    assert len(wakes()) == 1


def test_a_suspect_is_none_of_those_who_are_back(connection: redis.Redis, wakes: Wakes) -> None:
    enqueue(connection, 0)
    give_back(connection, claim(connection).items[0], history="[]", later_s=60.0)
    enqueue(connection, 1)
    claim(connection, awaited=Awaited(returning=2, within_s=1.0, enough=8))
    wakes()

    enqueue(connection, 2)
    before = wakes()
    enqueue(connection, 3)

    assert (before, len(wakes())) == ([], 1)


def test_those_who_are_back_are_taken(connection: redis.Redis) -> None:
    for number in range(3):
        enqueue(connection, number)

    claimed = claim(connection, awaited=Awaited(returning=3, age_s=30.0, within_s=1.0, enough=8))

    assert (len(claimed.items), claimed.held, claimed.waiting) == (3, False, 0)


def test_nobody_is_waited_for_where_enough_wait(connection: redis.Redis) -> None:
    for number in range(4):
        enqueue(connection, number)

    assert len(claim(connection, awaited=Awaited(returning=9, within_s=1.0, enough=4)).items) == 4


def test_nobody_who_has_not_the_time_is_held_up(connection: redis.Redis) -> None:
    enqueue(connection, 0)
    hasty = enqueue(connection, 1, left_s=0.9)

    claimed = claim(connection, awaited=Awaited(returning=3, within_s=1.0, enough=8))

    assert hasty in {item.id for item in claimed.items}


def test_free_executions_share_those_who_are_back(connection: redis.Redis) -> None:
    for number in range(7):
        enqueue(connection, number)
    all_back = Awaited(returning=7, age_s=30.0, within_s=1.0, enough=8)

    first = claim(connection, awaited=all_back._replace(free=2))
    second = claim(connection, awaited=all_back._replace(returning=3))

    assert (len(first.items), first.waiting, len(second.items), second.waiting) == (4, 3, 3, 0)


def test_no_batch_is_larger_than_the_server_takes(connection: redis.Redis) -> None:
    for number in range(3):
        enqueue(connection, number)

    assert claim(connection, 2, awaited=Awaited(returning=9, within_s=1.0, enough=8)).held is False


def test_clients_of_a_model_that_takes_as_long_for_one_as_for_all_are_run_together(
    redis_url: str, client: QueueClient, registry: FakeRegistry, start_dispatcher: StartDispatcher
) -> None:
    server = FakeModelServer(HashServicer(delay_s=0.2))
    registry.lease(lease("replica", server.address, batch_size=16, service_s=0.2))
    start_dispatcher()
    planned(redis_url)

    def keep_asking(number: int) -> list[bytes]:
        return [ask(client, b"%d %d" % (number, turn))[0].body for turn in range(ROUNDS)]

    asking = [Asking(lambda number=number: keep_asking(number)) for number in range(CLIENTS)]  # type: ignore[misc]
    came = [each.result() for each in asking]
    alone = ask(client, b"alone")[0]

    assert came == [[prediction_of(b"%d %d" % (number, turn)) for turn in range(ROUNDS)] for number in range(CLIENTS)]
    assert alone.body == prediction_of(b"alone"), "whom nobody joins is answered all the same"
    sizes = [len(batch) for batch in server.servicer.batches]
    assert sum(sizes) == CLIENTS * ROUNDS + 1
    assert sizes.count(CLIENTS) > len(sizes) / 3, sizes
    server.stop()
