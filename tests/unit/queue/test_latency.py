"""What is learned of service times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queue.latency import Latency


def test_before_anything_ran_the_times_of_the_warm_up_hold() -> None:
    latency = Latency({1: 0.02, 8: 0.09})

    assert latency.expected_s(1) == 0.02
    assert latency.expected_s(8) == 0.09
    assert latency.expected_s(4) == pytest.approx(0.05)
    assert latency.expected_s(16) == pytest.approx(0.18)


def test_without_any_a_guess_holds_and_a_size_below_the_known_costs_no_more() -> None:
    assert Latency({}).expected_s(4) == pytest.approx(0.01)
    assert Latency({4: 0.05}).expected_s(1) == 0.05
    assert Latency({4: 0.0}).expected_s(4) == pytest.approx(0.01)


def test_single_outliers_do_not_move_it() -> None:
    latency = Latency({4: 0.05})
    latency.learn(4, 30.0, 0.0)
    assert latency.expected_s(4) == 0.05

    for _ in range(10):
        latency.learn(4, 0.06, 0.0)
    latency.learn(4, 30.0, 0.0)

    assert latency.expected_s(4) == pytest.approx(0.06)


def test_a_lasting_change_is_learned_within_a_window() -> None:
    latency = Latency({4: 0.05})
    for _ in range(15):
        latency.learn(4, 0.5, 0.0)
    assert latency.expected_s(4) == 0.5
    for _ in range(8):
        latency.learn(4, 0.1, 0.0)
    assert latency.expected_s(4) == pytest.approx(0.1)


def test_sizes_that_did_not_run_of_late_go_at_the_pace_of_those_that_did() -> None:
    latency = Latency({1: 0.02, 4: 0.08})
    for _ in range(15):
        latency.learn(1, 0.02, 0.0)
    for _ in range(15):
        latency.learn(4, 0.16, 20.0)

    assert latency.expected_s(4) == pytest.approx(0.16)
    assert latency.expected_s(1) == pytest.approx(0.04)
    assert latency.expected_s(8) == pytest.approx(0.32)

    for _ in range(15):
        latency.learn(1, 0.02, 40.0)

    assert latency.expected_s(4) == pytest.approx(0.08)


def test_a_size_that_ran_long_ago_begins_anew() -> None:
    latency = Latency({1: 0.02})
    for _ in range(15):
        latency.learn(1, 0.5, 0.0)
    for _ in range(3):
        latency.learn(1, 0.02, 60.0)

    assert latency.expected_s(1) == pytest.approx(0.02)


def test_the_least_is_of_late_only() -> None:
    latency = Latency({})
    assert latency.least_s(0.0) == 0.0
    latency.learn(1, 0.02, 0.0)
    latency.learn(1, 0.09, 20.0)

    assert latency.least_s(21.0) == 0.02
    assert latency.least_s(31.0) == 0.09
    assert latency.least_s(60.0) == 0.0


def test_where_only_large_batches_ran_the_least_is_what_one_item_takes() -> None:
    latency = Latency({1: 0.025, 32: 0.4})
    latency.learn(32, 0.8, 0.0)

    assert latency.least_s(1.0) == pytest.approx(0.05)


@given(st.dictionaries(st.integers(1, 64), st.floats(0.001, 10.0), min_size=1), st.integers(1, 128))
def test_between_known_sizes_it_stays_between_their_times(seeds: dict[int, float], size: int) -> None:
    expected = Latency(seeds).expected_s(size)

    assert expected > 0
    if min(seeds) <= size <= max(seeds):
        assert min(seeds.values()) * 0.999 <= expected <= max(seeds.values()) * 1.001
