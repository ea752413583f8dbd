"""Which replica gets the next batch, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queue.routing import (
    Load,
    choose,
    choose_host,
    choose_idle,
    choose_to_empty,
    free_in_s,
    has_room,
    opens_in_s,
)

LOADS = st.lists(
    st.builds(Load, st.integers(1, 4), st.lists(st.floats(0.0, 10.0), max_size=5), st.booleans(), st.floats(0.0, 1.0)),
    max_size=8,
)


def test_one_is_free_when_an_execution_is() -> None:
    assert free_in_s(Load(2, [5.0], True), 1.0) == 0
    assert free_in_s(Load(2, [5.0, 3.0], True), 1.0) == pytest.approx(2.0)
    assert free_in_s(Load(2, [5.0, 3.0, 9.0], True), 1.0) == pytest.approx(4.0)
    assert free_in_s(Load(1, [5.0], True), 7.0) == 0


def test_one_batch_more_than_it_runs_may_wait_at_a_replica() -> None:
    assert has_room(Load(1, [], True)) and has_room(Load(1, [1.0], True))
    assert not has_room(Load(1, [1.0, 2.0], True))
    assert not has_room(Load(1, [], False))


def test_the_one_that_is_free_first_is_chosen() -> None:
    assert choose([Load(1, [3.0], True), Load(1, [2.0], True), Load(1, [1.0], False)], 0.0) == 1
    assert choose([Load(2, [3.0], True), Load(1, [], True)], 0.0) == 1
    assert choose([Load(1, [], False)], 0.0) is None
    assert choose([], 0.0) is None


def test_among_those_that_are_free_the_one_with_the_least_to_do_is_chosen_and_then_the_quickest() -> None:
    busy, idle = Load(2, [3.0], True, one_s=0.1), Load(2, [], True, one_s=5.0)
    assert choose([busy, idle], 0.0) == 1
    assert choose([busy, idle, idle._replace(one_s=0.2)], 0.0) == 2


def test_a_busy_one_gets_its_next_batch_just_in_time() -> None:
    assert opens_in_s(Load(1, [], True, 0.1), 0.0) == 0
    assert opens_in_s(Load(1, [3.0], True, 0.1), 0.0) == pytest.approx(2.9)
    assert opens_in_s(Load(1, [3.0], True, 0.1), 2.95) == 0


def test_batches_follow_one_another_no_faster_than_they_are_handed_over() -> None:
    assert opens_in_s(Load(2, [3.0], True, 0.1, next_s=1.5), 1.0) == pytest.approx(0.5)
    assert opens_in_s(Load(2, [3.0], True, 0.1, next_s=1.5), 1.6) == 0


def test_one_with_nothing_to_do_gets_its_batch_at_once() -> None:
    assert opens_in_s(Load(2, [], True, 0.1, next_s=1.5), 1.0) == 0


def test_a_suspect_goes_to_one_with_nothing_to_do_or_to_the_emptiest_when_it_is_empty() -> None:
    loads = [Load(1, [1.0, 2.0], True), Load(1, [1.0], True), Load(1, [], False)]
    assert choose_idle(loads) is None
    assert choose_to_empty(loads) == 1
    assert choose_idle([*loads, Load(1, [], True)]) == 3
    assert choose_to_empty([Load(1, [], False)]) is None


def test_a_newcomer_goes_to_the_usable_one_with_the_least_to_do_that_has_no_guest() -> None:
    full, fuller, left_out = Load(1, [1.0, 2.0], True), Load(2, [1.0, 2.0, 3.0], True), Load(1, [], False)
    assert choose_host([fuller, full, left_out]) == 1
    assert choose_host([fuller, full._replace(guest=True), left_out]) == 0
    assert choose_host([left_out, full._replace(guest=True)]) is None


def test_a_newcomer_goes_where_it_is_back_first() -> None:
    slow, quick = Load(1, [], True, one_s=5.0), Load(1, [1.0, 2.0], True, one_s=0.2)
    assert choose_host([slow, quick]) == 1
    assert choose_host([slow, quick._replace(ends_s=[1.0] * 30)]) == 0


def test_a_suspect_does_not_go_to_one_with_a_guest() -> None:
    assert choose_idle([Load(1, [], True, guest=True)]) is None


@given(LOADS, st.floats(0.0, 10.0))
def test_no_other_with_room_is_free_before_the_chosen(loads: list[Load], now: float) -> None:
    place = choose(loads, now)

    rooms = [load for load in loads if has_room(load)]
    if place is None:
        assert not rooms
    else:
        assert has_room(loads[place])
        assert free_in_s(loads[place], now) == min(free_in_s(load, now) for load in rooms)
