"""What is seen of a suite while it is under load, once a second: the load's own figures beside the queue's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

from loadtests.served import BASE

_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Sample:
    """One moment: *at_s* from the start; requests, refusals and errors a second; the median and the 95th percentile of
    late (milliseconds); items that wait in all queues, and the age of the oldest (seconds).
    """

    at_s: float
    users: int
    requests_per_s: float
    refused_per_s: float
    failed_per_s: float
    p50_ms: float
    p95_ms: float
    waiting: int
    oldest_s: float


class Sampler:
    """Takes samples of the load in *environment* on the suite at *address*."""

    def __init__(self, environment: Any, address: str, headers: dict[str, str]) -> None:
        self._environment = environment
        self._client = httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S)
        self._began = time.monotonic()
        self.samples: list[Sample] = []

    def take(self) -> None:
        """Take one."""
        runner = self._environment.runner
        total, refused = runner.stats.total, _refused(runner.stats)
        waiting, oldest_s = self._queue()
        self.samples.append(
            Sample(
                at_s=time.monotonic() - self._began,
                users=runner.user_count,
                requests_per_s=total.current_rps,
                refused_per_s=sum(entry.current_rps for entry in refused),
                failed_per_s=total.current_fail_per_sec,
                p50_ms=total.get_current_response_time_percentile(0.5) or 0.0,
                p95_ms=total.get_current_response_time_percentile(0.95) or 0.0,
                waiting=waiting,
                oldest_s=oldest_s,
            )
        )

    def _queue(self) -> tuple[int, float]:
        """Return how many items wait and the age of the oldest; zeros where the suite does not say."""
        try:
            queues = self._client.get(f"{BASE}/queue").raise_for_status().json()["queues"]
        except (httpx.HTTPError, ValueError, KeyError):
            return 0, 0.0
        waiting = sum(queue["interactive"] + queue["batch"] for queue in queues)
        return waiting, max((queue["oldest_s"] for queue in queues), default=0.0)


def _refused(stats: Any) -> list[Any]:
    return [entry for entry in stats.entries.values() if entry.method == "REFUSED"]
