"""What makes no sense of a worker's settings is refused at its start, by name."""

from __future__ import annotations

from typing import Any

import pytest

from services.jobs.settings import Settings


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"jobs_queues": ("default", "fast")}, "SERVOIR_JOBS_QUEUES"),
        ({"jobs_queues": ()}, "SERVOIR_JOBS_QUEUES"),
        ({"jobs_in_flight": 0}, "SERVOIR_JOBS_IN_FLIGHT"),
        ({"jobs_share": 1.5}, "SERVOIR_JOBS_SHARE"),
        ({"jobs_lease_s": 1.0}, "SERVOIR_JOBS_LEASE_S"),
        ({"jobs_nice": -1}, "SERVOIR_JOBS_NICE"),
        ({"jobs_nice": 20}, "SERVOIR_JOBS_NICE"),
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Settings(**wrong)
