"""The arithmetic of the bench: from what was seen of each request to rates, percentiles and shares."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests.bench.figures import NO_ANSWER, Seen, median, percentile, summary, us_each


def _seen(*rows: tuple[float, float, int], wrong: int = 0, cpu_s: float = 0.0) -> Seen:
    return Seen([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], wrong, cpu_s)


def test_a_percentile_is_one_of_the_values_and_ranks_by_nearest() -> None:
    hundred = [float(value) for value in range(1, 101)]

    assert [percentile(hundred, percent) for percent in (1, 50, 90, 99, 99.9, 100)] == [1, 50, 90, 99, 100, 100]
    assert percentile([7.0], 50) == percentile([7.0], 99.9) == 7.0
    assert math.isnan(percentile([], 50))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_at_least_so_many_percent_of_the_values_are_no_higher(values: list[float], percent: float) -> None:
    found = percentile(sorted(values), percent)

    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) * (1 - 1e-12)


def test_the_median_of_rounds_is_a_round_that_was_measured() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0]) == 1.0


def test_only_answers_within_the_measured_time_make_the_rate() -> None:
    seen = _seen((0.5, 0.4, 200), (0.9, 0.2, 200), (1.5, 0.1, 200), (2.9, 0.2, 200))

    found = summary(seen, 1.0, 3.0)

    assert found.ok_per_s == 2 / 2.0
    assert found.statuses == {200: 2}


def test_time_counts_from_when_a_request_was_due() -> None:
    stalled = _seen(*((1.0 + at / 10, 1.0 - at / 10, 200) for at in range(10)))

    found = summary(stalled, 1.0, 2.5)

    assert math.isclose(found.latency_ms["p50"], 500.0)
    assert math.isclose(found.latency_ms["p99.9"], 1000.0)


def test_an_answer_after_its_deadline_is_late_and_no_goodput() -> None:
    seen = _seen((1.0, 0.9, 200), (1.0, 1.1, 200), (1.1, 0.002, 429), (1.2, 0.004, 429), (1.3, 1.0, 504))

    found = summary(seen, 1.0, 3.0, deadline_s=1.0)

    assert (found.on_time_per_s, found.ok_per_s) == (0.5, 1.0)
    assert found.late == 1
    assert found.latest_ms == 1100.0
    assert found.refusal_p50_ms == 2.0
    assert found.statuses == {200: 2, 429: 2, 504: 1}


def test_requests_without_an_answer_are_counted() -> None:
    found = summary(_seen((1.0, 10.0, NO_ANSWER), wrong=3), 0.0, 5.0)

    assert found.statuses == {NO_ANSWER: 1}
    assert found.wrong == 3
    assert math.isnan(found.p50_ms)
    assert (found.latency_ms, found.refusal_p50_ms, found.latest_ms) == ({}, None, None)


def test_the_generators_own_cost_is_told_for_each_request() -> None:
    seen = _seen(*((float(at), 0.1, 200) for at in range(10)), cpu_s=0.001)

    assert math.isclose(summary(seen, 0.0, 10.0).generator_cpu_us, 100.0)
    assert math.isnan(us_each(1.0, 0))
