"""How many cores a process was given."""

from __future__ import annotations

import os

from chassis.cores import cores, quota_cores


def test_the_cores_of_a_cgroup_are_its_quota_by_its_period() -> None:
    assert quota_cores("150000 100000\n") == 1.5
    assert quota_cores("max 100000\n") is None


def test_no_more_cores_are_given_than_there_are() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
