"""Quotas of API keys on a real Redis: a rate and a day's count, held over all gateways, of what is accepted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from chassis.errors import TooBusy, Unavailable
from services.queue.client import Claim, QueueClient, quota_for
from tests.fakes import FakeModelServer
from tests.integration.queue.asking import ask, planned
from tests.integration.queue.conftest import StartDispatcher
from tests.parts import wait_until

RARELY = 0.0001  # requests a second: none comes back while a test runs
DAY_MS = 86_400_000


@pytest.fixture
def queue(
    client: QueueClient, served: FakeModelServer, start_dispatcher: StartDispatcher, redis_url: str
) -> QueueClient:
    start_dispatcher()
    planned(redis_url)
    return client


@pytest.fixture
def other_gateway(redis_url: str) -> Iterator[QueueClient]:
    other = QueueClient(redis_url)
    other.start()
    yield other
    other.close()


def claim(key_id: str = "key", **limits: float) -> Claim:
    quota = quota_for(key_id, **limits)  # type: ignore[arg-type]
    assert quota
    return Claim(quota)


def accepted(queue: QueueClient, asked: Claim) -> bool:
    try:
        ask(queue, b"picture", claim=asked)
    except TooBusy:
        return False
    return True


def test_a_burst_goes_through_and_the_next_request_is_told_how_long_to_wait(queue: QueueClient) -> None:
    for left in (2, 1, 0):
        asked = claim(requests_per_s=RARELY, burst=3)
        ask(queue, b"picture", claim=asked)
        assert asked.standing
        assert asked.standing.at_once == left

    asked = claim(requests_per_s=RARELY, burst=3)
    with pytest.raises(TooBusy, match=r"0\.0001 requests a second, 3 at once") as refused:
        ask(queue, b"picture", claim=asked)

    assert refused.value.retry_after_s == pytest.approx(1 / RARELY, rel=0.01)
    assert asked.standing
    assert asked.standing.at_once == 0


def test_the_rate_comes_back_with_time(queue: QueueClient) -> None:
    assert accepted(queue, claim(requests_per_s=5, burst=1))
    wait_until(lambda: accepted(queue, claim(requests_per_s=5, burst=1)), what="the rate to allow another")


def test_the_rate_holds_over_all_gateways(queue: QueueClient, other_gateway: QueueClient) -> None:
    gateways = [queue, other_gateway]
    begun = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda turn: accepted(gateways[turn % 2], claim(requests_per_s=20, burst=10)), range(200))
        )
    seconds = time.monotonic() - begun

    assert 10 <= sum(answers) <= 10 + 20 * seconds + 1


def test_a_days_requests_are_counted_and_each_key_has_its_own(queue: QueueClient, other_gateway: QueueClient) -> None:
    for gateway in (queue, other_gateway, queue):
        assert accepted(gateway, claim(per_day=3))

    with pytest.raises(TooBusy, match="3 requests that this API key may make in a day are used up") as refused:
        ask(other_gateway, b"picture", claim=claim(per_day=3))

    assert 0 < (refused.value.retry_after_s or 0) <= 86400
    assert accepted(queue, claim("another", per_day=3))


def test_a_new_day_begins_with_nothing_used(queue: QueueClient, redis_url: str) -> None:
    accepted(queue, claim(per_day=1))
    assert not accepted(queue, claim(per_day=1))
    with redis.Redis.from_url(redis_url) as connection:
        tat, today, used = connection.get("servoir:queue:quota:key").split()
        connection.set("servoir:queue:quota:key", b" ".join([tat, str(int(today) - 1).encode(), used]))

    assert accepted(queue, claim(per_day=1))


def test_many_images_in_one_request_count_once(queue: QueueClient) -> None:
    asked = claim(per_day=10)
    ask(queue, b"one", b"two", b"three", claim=asked)
    assert asked.standing
    assert asked.standing.today == 9


def test_what_is_refused_for_another_reason_does_not_count(queue: QueueClient, redis_url: str) -> None:
    with pytest.raises(Unavailable):
        ask(queue, b"x", model="acme-nobody-1", claim=claim(per_day=10))
    with pytest.raises(TooBusy):
        ask(queue, b"x", timeout_s=1e-6, claim=claim(per_day=10))

    with redis.Redis.from_url(redis_url) as connection:
        assert connection.get("servoir:queue:quota:key") is None


def test_a_repeat_under_its_idempotency_key_does_not_count(queue: QueueClient) -> None:
    for _ in range(3):
        asked = claim(per_day=10)
        ask(queue, b"x", idempotency_key="once", claim=asked)
        assert asked.standing
        assert asked.standing.today == 9


def test_who_asks_nothing_for_long_has_no_more_than_the_burst(queue: QueueClient, redis_url: str) -> None:
    def one_more() -> bool:
        return accepted(queue, claim(requests_per_s=RARELY, burst=2))

    one_more()
    with redis.Redis.from_url(redis_url) as connection:
        tat, *day = connection.get("servoir:queue:quota:key").split()
        month_ago = b"%f" % (float(tat) - 30 * DAY_MS)
        connection.set("servoir:queue:quota:key", b" ".join([month_ago, *day]))

    assert [one_more() for _ in range(4)] == [True, True, False, False]


def test_what_is_kept_of_a_key_is_forgotten_when_all_of_its_quota_is_back(queue: QueueClient, redis_url: str) -> None:
    accepted(queue, claim(requests_per_s=RARELY, burst=20))
    with redis.Redis.from_url(redis_url) as connection:
        assert 0.9 * 1000 / RARELY < connection.pttl("servoir:queue:quota:key") <= DAY_MS


def test_without_limits_there_is_no_quota() -> None:
    assert quota_for("key", burst=5) is None


def test_a_quota_that_is_used_up_is_counted_among_the_refusals(queue: QueueClient, redis_url: str) -> None:
    accepted(queue, claim(per_day=1))
    accepted(queue, claim(per_day=1))
    with redis.Redis.from_url(redis_url) as connection:
        states = [connection.hgetall(key) for key in connection.scan_iter("servoir:queue:*:state")]
    assert [state[b"refused:interactive:quota"] for state in states] == [b"1"]
