"""Who is let in."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queue.admission import HOPELESS, NO_REPLICA, left_s, max_ahead, retry_after_s
from services.queue.plan import NO_PLAN, Plan, ReplicaPlan, read_plan


def plan(*replicas: ReplicaPlan, least_s: float = 0.0) -> Plan:
    return Plan(version="1", replicas=list(replicas), least_s=least_s, max_items=100, max_bytes=1000)


ONE_A_TENTH = ReplicaPlan(1, [0.1])
EIGHT_A_FIFTH = ReplicaPlan(2, [0.1, 0.12, 0.13, 0.14, 0.16, 0.17, 0.19, 0.2])


def test_the_queue_drains_at_the_best_rate_of_every_replica() -> None:
    assert plan(ONE_A_TENTH).drain_rate == pytest.approx(10)
    assert plan(EIGHT_A_FIFTH, ONE_A_TENTH).drain_rate == pytest.approx(2 * 8 / 0.2 + 10)
    assert plan(ReplicaPlan(1, [])).drain_rate == pytest.approx(100)
    assert NO_PLAN.drain_rate == 0


def test_as_many_may_be_ahead_as_are_answered_in_what_is_left() -> None:
    assert max_ahead(plan(ONE_A_TENTH), 1.105) == 9  # nine tenths of the ten that a second is good for
    assert max_ahead(plan(EIGHT_A_FIFTH), 1.205) == pytest.approx(72, abs=1)


def test_only_a_share_of_the_predicted_room_is_given_away() -> None:
    halved = msgspec.structs.replace(plan(ONE_A_TENTH), share=0.5)

    assert max_ahead(halved, 1.2) == 5
    assert max_ahead(halved, 0.05) == 0, "what nothing is ahead of is tried all the same"


def test_an_item_is_answered_after_those_ahead_and_its_own_batch() -> None:
    assert left_s(plan(ONE_A_TENTH), 20) == pytest.approx(2.1)
    assert left_s(plan(EIGHT_A_FIFTH), 0) == pytest.approx(0.2)
    assert left_s(NO_PLAN, 0) == float("inf")


def test_an_item_that_nothing_is_ahead_of_is_tried() -> None:
    assert max_ahead(plan(ONE_A_TENTH), 0.05) == 0
    assert max_ahead(plan(ReplicaPlan(1, [])), 0.001) == 0


def test_less_time_than_the_fastest_service_lately_seen_is_hopeless() -> None:
    assert max_ahead(plan(ONE_A_TENTH, least_s=0.06), 0.05) == HOPELESS
    assert max_ahead(plan(ONE_A_TENTH), 0.0) == HOPELESS


def test_nobody_is_let_in_without_a_replica() -> None:
    assert max_ahead(NO_PLAN, 10.0) == NO_REPLICA
    assert retry_after_s(NO_PLAN, "no_replica", 0, 0) > 0
    assert retry_after_s(NO_PLAN, "count", 5, 0) > 0


def test_one_who_is_refused_comes_back_when_those_in_its_way_are_answered() -> None:
    assert retry_after_s(plan(ONE_A_TENTH), "deadline", 50, 20) == pytest.approx(3.0)
    assert retry_after_s(plan(ONE_A_TENTH), "deadline", 50, HOPELESS) == pytest.approx(5.0)
    assert retry_after_s(plan(ONE_A_TENTH), "count", 60, 0) == pytest.approx(3.0)
    assert retry_after_s(plan(ONE_A_TENTH), "deadline", 1, 1) == pytest.approx(0.1)
    assert retry_after_s(plan(ONE_A_TENTH), "bytes", 100_000, 0) == pytest.approx(60.0)


@given(
    st.floats(0.0, 100.0),
    st.floats(0.0, 100.0),
    st.integers(1, 8),
    st.lists(st.floats(0.001, 5.0), min_size=1, max_size=32),
)
def test_with_more_time_no_fewer_are_let_in(some: float, more: float, concurrency: int, times: list[float]) -> None:
    one = plan(ReplicaPlan(concurrency, times))
    two = plan(*[ReplicaPlan(concurrency, times)] * 2)

    assert max_ahead(one, some) <= max_ahead(one, some + more)
    assert max_ahead(one, some) <= max_ahead(two, some)


def test_a_plan_is_read_as_it_was_published() -> None:
    published = plan(EIGHT_A_FIFTH, least_s=0.01)
    assert read_plan(published.json()) == published


def test_noise_makes_no_new_plan() -> None:
    now = plan(ReplicaPlan(1, [0.1, 0.2]), least_s=0.05)

    assert plan(ReplicaPlan(1, [0.105, 0.19]), least_s=0.052).is_close_to(now)
    assert not plan(ReplicaPlan(1, [0.15, 0.2]), least_s=0.05).is_close_to(now)
    assert not plan(ReplicaPlan(2, [0.1, 0.2]), least_s=0.05).is_close_to(now)
    assert not plan(ReplicaPlan(1, [0.1]), least_s=0.05).is_close_to(now)
    assert not plan(least_s=0.05).is_close_to(now)


def test_a_share_that_has_changed_makes_a_new_plan() -> None:
    now = plan(ONE_A_TENTH)

    assert msgspec.structs.replace(now, share=now.share - 0.02).is_close_to(now)
    assert not msgspec.structs.replace(now, share=now.share * 0.9).is_close_to(now)
