"""Which versions a release stands in for, and which defaults follow it."""

from __future__ import annotations

from typing import Any

import pytest

from cli.errors import Stop
from cli.versions import Move, plan_move


def _listed(*versions: str, defaults: dict[str, str] | None = None, task: str = "bbox") -> dict[str, Any]:
    """Return models ``a-b-1``, ``a-b-2`` … with these statuses, beside another problem's."""
    models = [
        {"org_name": "a", "problem_id": "b", "rel_num": str(number), "status": status, "task": "bbox"}
        for number, status in enumerate(versions, start=1)
    ]
    other = {"org_name": "a", "problem_id": "c", "rel_num": "9", "status": "released", "task": task}
    return {"models": [*models, other], "defaults": defaults or {}}


def test_a_new_version_stands_in_for_the_newest_that_is_released() -> None:
    move = plan_move(_listed("released", "released", "retired", "published"), "a-b-4")

    assert move == Move("a-b-4", [], ["a-b-2"], [])


def test_the_first_version_stands_in_for_none() -> None:
    assert plan_move(_listed("published"), "a-b-1").replaced == []


def test_going_back_takes_every_newer_one_away_and_leaves_the_older() -> None:
    move = plan_move(_listed("released", "retired", "released", "released"), "a-b-2")

    assert move == Move("a-b-2", [], [], ["a-b-3", "a-b-4"])


def test_one_that_its_short_key_finds_already_replaces_none() -> None:
    assert plan_move(_listed("released", "released"), "a-b-2").replaced == []


def test_a_default_follows_within_its_problem_only() -> None:
    listed = _listed("released", "published", defaults={"bbox": "a-b-1", "classify": "a-c-9"})

    assert plan_move(listed, "a-b-2").tasks == ["bbox"]


def test_a_default_does_not_go_to_a_version_of_another_task() -> None:
    listed = _listed("released", "published", defaults={"bbox": "a-b-1"})
    listed["models"][1]["task"] = "lane"

    with pytest.raises(Stop, match="a-b-1 is the default for bbox"):
        plan_move(listed, "a-b-2")


def test_what_is_not_published_is_refused() -> None:
    with pytest.raises(Stop, match="a-b-7 is not published"):
        plan_move(_listed("released"), "a-b-7")
