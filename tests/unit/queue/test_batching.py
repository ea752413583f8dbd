"""Which items make a batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.queue.batching import choose, enough, limits_s

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


def test_nobody_is_waited_for_where_a_batch_saves_nothing_or_holds_no_more() -> None:
    assert enough(8, 0.003, 16, one_s=0.010, most_s=0.160) == 1, "each item takes its time, whoever is beside it"
    assert enough(0, 0.003, 16, one_s=0.020, most_s=0.020) == 1
    assert enough(8, 0.003, 1, one_s=0.020, most_s=0.020) == 1


def test_those_who_wait_are_held_up_only_for_clearly_more_than_they_lose() -> None:
    assert enough(8, 0.004, 64, one_s=0.020, most_s=0.020) == 22, "29 in 24 ms, or 21 in 20; not 30, or 22"
    assert enough(2, 0.040, 64, one_s=0.020, most_s=0.020) == 1
    assert enough(64, 0.005, 64, one_s=0.020, most_s=0.020) == 45, "a full batch of 64 in 25 ms, or 44 in 20"
    assert enough(16, 0.0045, 32, one_s=0.011, most_s=0.042) <= 16, "two halves do nearly as much, and nobody is late"


@given(st.integers(0, 32), st.integers(1, 32), st.floats(0.001, 0.1), st.floats(0.001, 0.1), st.floats(0.001, 0.05))
def test_where_more_wait_than_enough_nobody_more_is_worth_it(
    returning: int, most: int, fixed_s: float, each_s: float, within_s: float
) -> None:
    least = enough(returning, within_s, most, fixed_s + each_s, fixed_s + most * each_s)

    assert 1 <= least <= most
    for waiting in range(least, most + 1):
        then = min(waiting + returning, most)
        assert then / (within_s + fixed_s + then * each_s) < 1.15 * waiting / (fixed_s + waiting * each_s) + 1e-6
