"""One suite with one worker of background jobs for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.jobs.jobs_world import JobsWorld


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsWorld]:
    made = JobsWorld(tmp_path_factory.mktemp("jobs"))
    yield made
    made.stop()
