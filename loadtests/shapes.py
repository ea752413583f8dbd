"""The shapes of a load for Locust: a curve of curves.py over ``--run-time``, with up to ``--users`` users."""

from __future__ import annotations

from typing import Any

from locust import LoadTestShape

from loadtests.curves import CURVES, users_at

_RUN_TIME_S = 60.0
_USERS = 20


class Shape(LoadTestShape):  # type: ignore[misc]
    """The curve that ``--shape`` names."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there are to be now and how many may start in a second; None at the end."""
        options: Any = self.runner.environment.parsed_options
        most, lasts_s = options.num_users or _USERS, options.run_time or _RUN_TIME_S
        users = users_at(CURVES[options.shape], self.get_run_time(), lasts_s=lasts_s, most=most)
        return None if users is None else (users, max(options.spawn_rate or 1.0, most / 2))
