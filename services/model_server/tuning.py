"""How a model is best fed on this machine: batch size, executions side by side, engine threads. Measured once, kept.

Batching is one way to fill the cores, several small executions are another; which is faster differs by model, engine
and machine. The choice is a function of measurements (``best``); what is measured belongs to a mode of tuning; and
what was measured is kept in a file for each machine, engine and model, so that a restart measures nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chassis import logs
from chassis.whole_file import write_whole
from services.model_server.measuring import Measured

log = logs.logger()
NEAR = 0.98
HANDOVER_S = 0.003
"""What it takes to bring a batch here and its answers back, whatever is in it: CPU that the model does not get."""
HANDOVER_SHARE = 0.05
"""How much of a batch's own time that may be. Longer batches gain little more, and everyone waits for their end."""

_VERSION = 13


class Setting(msgspec.Struct, frozen=True):
    """The engine's dials: threads of one execution, and executions side by side."""

    threads: int
    concurrency: int


class Trial(msgspec.Struct, frozen=True):
    """One setting with what was measured at it, a row for each batch size, all of it run at once."""

    setting: Setting
    measured: tuple[Measured, ...]


class Tuned(msgspec.Struct, frozen=True):
    """The setting to serve with, its best batch size, its times, and how many items of a batch run at once (0: all)."""

    setting: Setting
    best_batch_size: int
    measured: tuple[Measured, ...]
    execution_size: int = 0


def default_setting(cores: int) -> Setting:
    """Return one execution for each core, each with one thread: good for most networks on a CPU."""
    return Setting(threads=1, concurrency=cores)


def settings_to_try(cores: int) -> list[Setting]:
    """Return the corners of the grid that can fill the *cores*: threads, executions, or both."""
    return list(dict.fromkeys([default_setting(cores), Setting(cores, 1), Setting(cores, cores)]))


def best_size(measured: Sequence[Measured]) -> Measured:
    """Return the smallest batch with nearly the best throughput that is long enough to be worth its handover.

    Where none is that long, the smallest near the best of what is left of the throughput when each batch is handed
    over, too: the quicker a model, the larger.
    """
    most, most_served = max(row.items_per_s for row in measured), max(map(_served_per_s, measured))
    worth_it = [
        row for row in measured if row.items_per_s >= NEAR * most and row.seconds * HANDOVER_SHARE >= HANDOVER_S
    ]
    near = worth_it or [row for row in measured if _served_per_s(row) >= NEAR * most_served]
    return min(near, key=lambda row: row.batch_size)


def _served_per_s(row: Measured) -> float:
    return row.items_per_s * row.seconds / (row.seconds + HANDOVER_S)


def execution_size(measured: Sequence[Measured]) -> int:
    """Return how many items are best run at once: the least with nearly the best throughput.

    On a CPU that is often one, whose tensors fit into the cache, while batches cost less to bring here when they are
    larger.
    """
    most = max(row.items_per_s for row in measured)
    return min(row.batch_size for row in measured if row.items_per_s >= NEAR * most)


def in_parts(measured: Sequence[Measured], size: int) -> tuple[Measured, ...]:
    """Return how batches go when *size* items of each run at once, one part after the other."""
    part = next(row for row in measured if row.batch_size == size)
    return tuple(
        row
        if row.batch_size <= size
        else Measured(row.batch_size, part.seconds * row.batch_size / size, part.items_per_s)
        for row in measured
    )


def best(trials: Sequence[Trial]) -> Tuned:
    """Return the trial to serve with: of those near the best throughput, the one whose best batch takes least time."""
    choices = [best_of(trial) for trial in trials]
    most = max(_served_per_s(row) for _, row in choices)
    near = [(tuned, row) for tuned, row in choices if _served_per_s(row) >= NEAR * most]
    return min(near, key=lambda choice: choice[1].seconds)[0]


def best_of(trial: Trial) -> tuple[Tuned, Measured]:
    """Return how a trial's setting is best served, and how its best batch goes."""
    at_once = execution_size(trial.measured)
    rows = in_parts(trial.measured, at_once)
    row = best_size(rows)
    return Tuned(trial.setting, row.batch_size, rows, at_once), row


class TuningCache:
    """What was measured, in a file of its own for each *key*: machine, engine, model, and what was asked."""

    def __init__(self, folder: Path, key: Sequence[object]) -> None:
        self.path = folder / f"{hashlib.sha256(repr((_VERSION, *key)).encode()).hexdigest()[:32]}.json"

    def read(self) -> Tuned | None:
        """Return what was kept; None where nothing is, or nothing that can be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Tuned)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, tuned: Tuned) -> None:
        """Keep *tuned*; a reader sees all of it or none. Where it cannot be written, that is logged."""
        try:
            write_whole(self.path, msgspec.json.encode(tuned).decode())
        except OSError as error:
            log.warning("measurements_not_kept", folder=str(self.path.parent), reason=str(error))
