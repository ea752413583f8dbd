"""``servoir jobs``: how a job is told in a line."""

from __future__ import annotations

from typing import Any

import pytest

from cli.commands.jobs import line_of

_IMAGES = {"waiting": 0, "running": 1, "answered": 2, "cancelled": 0}


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"state": "queued", "place": 3, "left_s": 2.5}, "queued: place 3 in the queue, about 2.5 s left"),
        ({"state": "queued", "place": 3}, "queued: place 3 in the queue"),
        ({"state": "failed", "problem": {"detail": "too late"}}, "failed: too late"),
        ({"state": "done", "answer": {}}, "done"),
        ({"state": "running"}, "running: 2 answered, 1 running"),
    ],
)
def test_a_jobs_line_says_what_is_known(told: dict[str, Any], line: str) -> None:
    assert line_of({"images": _IMAGES, **told}) == line
