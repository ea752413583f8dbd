"""What a gateway's program leaves to the one that takes its place in the same process, in a variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chassis.settings import environment

_VARIABLE = "GATEWAY_INHERITED"


class Inheritance(msgspec.Struct, frozen=True):
    """The processes that answer meanwhile, and where all sum up their metrics: counters go on."""

    workers: list[int] = []
    metrics_folder: str = ""


def inherited() -> Inheritance:
    """Return what was left; nothing to the first program in a process."""
    return msgspec.json.decode(environment().get(_VARIABLE, "{}"), type=Inheritance)


def leave(workers: Sequence[int], metrics_folder: str) -> Mapping[str, str]:
    """Return what the next program's environment is to have more."""
    return {_VARIABLE: msgspec.json.encode(Inheritance(list(workers), metrics_folder)).decode()}
