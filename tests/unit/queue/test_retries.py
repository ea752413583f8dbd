"""Retries, the circuit breaker and histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.queue.breaker import Breaker
from services.queue.history import Failure, read_history, write_history
from services.queue.retries import delay_s, gives_up


def test_the_wait_doubles_and_is_drawn_from_the_upper_half() -> None:
    waits = [delay_s(failures, 100.0, first_s=1.0, longest_s=3.0, jitter=lambda: 1.0) for failures in (1, 2, 3)]
    assert waits == [1.0, 2.0, 3.0]
    assert delay_s(1, 100.0, first_s=1.0, jitter=lambda: 0.0) == 0.5


@given(st.integers(1, 50), st.floats(-1.0, 100.0), st.floats(0.0, 1.0))
def test_a_retry_never_outlives_the_deadline(failures: int, left: float, chance: float) -> None:
    assert 0 <= delay_s(failures, left, jitter=lambda: chance) <= max(0.0, left)


def test_the_third_failure_is_the_last() -> None:
    assert [gives_up(failures) for failures in (1, 2, 3, 4)] == [False, False, True, True]


def test_a_replica_that_errs_is_left_out_for_longer_each_time_until_it_answers() -> None:
    breaker = Breaker()
    assert not breaker.open

    breaker.failed(10.0, 1.0)
    assert breaker.open and breaker.probe_at_s == pytest.approx(10.1)
    breaker.failed(10.1, 0.0)
    assert breaker.probe_at_s == pytest.approx(10.2)
    for _ in range(20):
        breaker.failed(10.2, 1.0)
    assert breaker.probe_at_s == pytest.approx(15.2)

    breaker.succeeded()
    assert not breaker.open


def test_a_history_is_read_as_it_was_written() -> None:
    failures = [Failure("replica-1", "Lost: reset", 1.5), Failure("replica-2", "Lost: reset", 2.5)]
    assert read_history(write_history(failures)) == failures
    assert read_history("") == []
