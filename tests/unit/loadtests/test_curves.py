"""The shapes of a load: how many users there are at which moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.curves import CURVES, day, ramp, spike, steady, users_at


@pytest.mark.parametrize("name", CURVES)
@given(st.floats(0, 1))
def test_a_curve_stays_between_nobody_and_everybody(name: str, passed: float) -> None:
    assert 0.0 <= CURVES[name](passed) <= 1.0


@pytest.mark.parametrize("name", CURVES)
def test_a_test_has_users_from_its_first_moment_to_its_end(name: str) -> None:
    told = [users_at(CURVES[name], second, lasts_s=60, most=50) for second in range(61)]

    assert told[-1] is None
    assert all(users is not None and 1 <= users <= 50 for users in told[:-1])


def test_a_spike_is_short_and_steps_go_up() -> None:
    assert [spike(passed) for passed in (0.1, 0.39, 0.4, 0.59, 0.6, 0.9)] == [0.2, 0.2, 1.0, 1.0, 0.2, 0.2]
    assert [ramp(passed / 10) for passed in range(10)] == [step / 10 for step in range(1, 11)]
    assert steady(0.5) == 1.0


def test_a_day_is_quiet_at_four_and_busy_at_three_in_the_afternoon() -> None:
    hours = {hour: day(hour / 24) for hour in range(24)}

    assert min(hours, key=lambda hour: hours[hour]) == 4
    assert max(hours, key=lambda hour: hours[hour]) == 15
    assert abs(day(0.0) - day(1.0)) < 1e-9
