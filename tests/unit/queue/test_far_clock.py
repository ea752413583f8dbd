"""A clock elsewhere, reckoned: never ahead of it, near it after one quick answer, and forgotten when it was set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queue.far_clock import FarClock

AHEAD_S = 1_700_000_000.0


def test_nothing_is_known_before_anything_was_told() -> None:
    assert FarClock().at_s(1.0) is None


@given(st.lists(st.tuples(st.floats(0.01, 20.0), st.floats(1e-5, 5.0), st.floats(0.0, 5.0)), min_size=1, max_size=50))
def test_a_moment_is_never_reckoned_later_than_it_is_and_as_near_as_the_quickest_answer_of_late(
    asked: list[tuple[float, float, float]],
) -> None:
    clock, now_s, ways = FarClock(), 0.0, list[tuple[float, float]]()
    for pause_s, there_s, way_s in asked:
        now_s += pause_s
        clock.learn(now_s - way_s + AHEAD_S, now_s - way_s - there_s, now_s)
        ways.append((now_s, way_s))
    known_s = clock.at_s(now_s)

    assert known_s is not None
    off_s = now_s + AHEAD_S - known_s
    assert -1e-6 <= off_s <= min(way_s for at_s, way_s in ways if now_s - at_s <= 30.0) + 1e-6


def test_a_clock_that_was_set_back_is_known_again_at_once() -> None:
    clock = FarClock()
    clock.learn(1000.0, 0.0, 0.1)
    clock.learn(501.0, 0.9, 1.0)

    assert clock.at_s(1.0) == 501.0


def test_a_clock_that_goes_slow_is_known_again_after_a_minute() -> None:
    clock = FarClock()
    for second in range(120):
        clock.learn(second * 0.999, second - 1.0, float(second))

    assert clock.at_s(119.0) == pytest.approx(119 * 0.999, abs=0.06)


def test_a_clock_that_was_set_forward_is_known_at_once() -> None:
    clock = FarClock()
    clock.learn(1000.0, -0.1, 0.0)
    clock.learn(2001.0, 0.9, 1.0)

    assert clock.at_s(0.0) == 2000.0
