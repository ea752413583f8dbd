"""Which items make a batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.queue.batching import choose, limits_s

TIMES = st.lists(st.floats(0.0, 5.0), max_size=40)
LIMITS = st.lists(st.floats(0.0, 2.0), min_size=1, max_size=16).map(sorted)


def test_a_limit_is_the_wait_and_the_service_of_its_batch() -> None:
    assert limits_s(3, 0.5, lambda size: size * 0.1) == [0.6, 0.7, 0.8]
    assert limits_s(1, -1.0, lambda size: 0.1) == [0.1]


def test_nothing_waits_for_a_batch_to_fill_up() -> None:
    assert choose([1.0], [0.1, 0.2, 0.3]) == ([0], [])
    assert choose([], [0.1]) == ([], [])


def test_a_batch_is_as_long_as_the_tightest_deadline_allows() -> None:
    assert choose([1.0, 0.25, 1.0, 1.0], [0.1, 0.2, 0.3, 0.4]) == ([0, 1], [])
    assert choose([1.0, 1.0, 0.15, 1.0], [0.1, 0.2, 0.3, 0.4]) == ([0, 1], [])


def test_a_batch_is_no_longer_than_its_limits() -> None:
    assert choose([9.0] * 5, [0.1, 0.2]) == ([0, 1], [])


def test_what_is_late_is_not_run() -> None:
    assert choose([0.0, -1.0, 1.0], [0.1, 0.2]) == ([2], [0, 1])
    assert choose([0.04], [0.1], least_s=0.05) == ([], [0])


def test_what_would_be_late_makes_way_and_the_last_one_is_tried() -> None:
    assert choose([0.05, 1.0], [0.1, 0.2]) == ([1], [0])
    assert choose([0.05], [0.1, 0.2]) == ([0], [])


def test_what_a_quicker_server_does_in_time_is_left_to_it() -> None:
    assert choose([0.15, 1.0, 0.15, 0.01, 1.0], [0.2, 0.3], alone_s=0.02) == ([1, 4], [3])
    assert choose([0.15], [0.2], alone_s=0.02) == ([], [])


@given(TIMES, LIMITS, st.floats(0.0, 1.0))
def test_all_of_a_batch_are_in_time_unless_it_is_one_that_is_only_tried(
    left: list[float], limits: list[float], least: float
) -> None:
    taken, hopeless = choose(left, limits, least_s=least)

    assert len(taken) <= len(limits)
    assert sorted([*taken, *hopeless]) == list(range(len(taken) + len(hopeless))), "from the front, none left out"
    assert all(left[place] > 0 and left[place] >= least for place in taken)
    if len(taken) > 1:
        assert min(left[place] for place in taken) >= limits[len(taken) - 1]


@given(TIMES.filter(bool), LIMITS)
def test_a_free_server_is_left_idle_only_when_all_is_hopeless(left: list[float], limits: list[float]) -> None:
    taken, hopeless = choose(left, limits)

    assert taken or len(hopeless) == len(left)
