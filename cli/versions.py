"""The versions of one problem, and what has to move so that its short key finds another of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cli.errors import Exit, Stop
from cli.model_set import problem_of


class Move(NamedTuple):
    """What the release of *key* takes: *tasks* whose default follows it, and the versions that it stands in for.

    While one of the *newer* is released, the short key finds that one; *current* is what it finds now, where that is
    older.
    """

    key: str
    tasks: list[str]
    current: list[str]
    newer: list[str]

    @property
    def replaced(self) -> list[str]:
        """The versions that end, where they are not kept."""
        return [*self.current, *self.newer]


def key_of(model: Mapping[str, Any]) -> str:
    """Return the key of a modelinfo."""
    return f"{model['org_name']}-{model['problem_id']}-{model['rel_num']}"


def plan_move(listed: Mapping[str, Any], key: str) -> Move:
    """Return what the release of *key* takes, from the gateway's list of models (oldest release first) and defaults.

    Raises Stop where a default would go to a version that does another task.
    """
    versions = {key_of(model): model for model in listed["models"] if problem_of(key_of(model)) == problem_of(key)}
    if key not in versions:
        raise Stop(f"{key} is not published", "`servoir publish FOLDER` does so.", code=Exit.REFUSED)
    order = list(versions)
    place = order.index(key)
    released = [version for version in order if versions[version]["status"] == "released" and version != key]
    newer = [version for version in released if order.index(version) > place]
    current = [] if newer or versions[key]["status"] == "released" else released[-1:]
    following = {task: held for task, held in listed["defaults"].items() if held in versions and held != key}
    for task, held in following.items():
        if versions[held]["task"] != versions[key]["task"]:
            problem = f"{held} is the default for {task}, and {key} does another task, {versions[key]['task']}"
            raise Stop(problem, "Give the new network a problem_id of its own.", code=Exit.REFUSED)
    return Move(key, list(following), current, newer)
