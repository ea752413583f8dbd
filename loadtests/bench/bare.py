"""The bare model: a program of the model server's that calls engine and adapter in a loop, without any service."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadtests.bench.models import ROOT, Model


class Bare(msgspec.Struct, frozen=True):
    """What the bare model does in one way: see services/model_server/bare.py."""

    threads: int
    batch_size: int
    callers: int
    executions: int
    items_per_s: float
    batch_p50_s: float

    @property
    def way(self) -> Way:
        """How the model was called."""
        return Way(self.threads, self.batch_size, self.callers, self.executions)


class Way(NamedTuple):
    """How the model is called: *callers* threads with *batch_size* pictures each, *executions* of them in the engine
    at a time, each with *threads* of the engine's own.
    """

    threads: int
    batch_size: int
    callers: int
    executions: int


ALONE = Way(threads=1, batch_size=1, callers=1, executions=1)
"""One picture at a time."""


def ways(cores: int, *, quick: bool) -> list[Way]:
    """Return the ways that are tried: with the engine's threads, with executions side by side, and with both.

    In each, callers are as many as executions, or more: then some decode while the others are in the engine.
    """
    sizes = (1, 8) if quick else (1, 2, 4, 8, 16)
    spread = [(1, cores), (cores, 1)] if quick else [(1, cores), (cores, 1), (cores, cores)]
    callers = (0, 1) if quick else (0, 1, cores)
    return [
        Way(threads, size, executions + more, executions)
        for (threads, executions), size, more in itertools.product(spread, sizes, callers)
    ]


def run(model: Model, pictures: Path, ways: Sequence[Way], *, seconds: float) -> list[Bare]:
    """Return what the bare model does in each way, *seconds* for each; a process for each number of threads."""
    found = []
    for threads in sorted({way.threads for way in ways}):
        tried = ["x".join(map(str, way[1:])) for way in ways if way.threads == threads]
        command = [sys.executable, "-m", "services.model_server.bare", "--model", str(model.folder)]
        command += ["--pictures", str(pictures), "--threads", str(threads), "--seconds", str(seconds), "--try", *tried]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if answer.returncode:
            raise RuntimeError(f"the bare model failed: {answer.stderr[-2000:]}")
        lines = [line for line in answer.stdout.splitlines() if line.startswith("{")]
        found += [msgspec.json.decode(line, type=Bare) for line in lines]
    return found


def best(tried: Sequence[Bare]) -> Bare:
    """Return the way with the most pictures a second."""
    return max(tried, key=lambda bare: bare.items_per_s)
