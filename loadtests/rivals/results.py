"""What a comparison found, as it goes into ``rivals.json``."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.bench.bare import Bare
from loadtests.bench.results import Machine

OURS = "servoir"
_FILE = "rivals.json"


class Setting(msgspec.Struct, frozen=True):
    """How a rival is run: see settings.py."""

    workers: int
    threads: int
    batch_size: int
    wait_ms: int

    def told(self) -> str:
        """Return the setting in words."""
        wait = f", wait {self.wait_ms} ms" if self.wait_ms else ""
        return f"{self.workers} x {self.threads} threads, batch {self.batch_size}{wait}"


class Throughput(msgspec.Struct, frozen=True):
    """Right answers a second to *clients* that each wait for theirs; *wrong* are 200 with another content."""

    clients: int
    per_s: float
    p50_ms: float
    p99_ms: float
    wrong: int
    statuses: dict[int, int]


class Tried(msgspec.Struct, frozen=True):
    """A setting, with few clients and with many; None is our own suite, which sets itself.

    *bare_per_s* is what the bare model did before and after.
    """

    setting: Setting | None
    few: Throughput
    many: Throughput
    bare_per_s: float


class Cost(msgspec.Struct, frozen=True):
    """CPU of a request of all processes of a server, with a model that does nothing."""

    cpu_us: float
    per_s: float
    wrong: int


class Overload(msgspec.Struct, frozen=True):
    """What came of more than can be done, over the measured time.

    *on_time_per_s* are 200 within the deadline, *late* 200 after it. *refused* are all other answers, of which half
    came within *refusal_p50_ms*; *unanswered* got none. *bare_per_s* is what the bare model did before and after.
    """

    offered_per_s: float
    deadline_s: float
    bare_per_s: float
    on_time_per_s: float
    late: int
    refused: int
    refusal_p50_ms: float | None
    unanswered: int
    statuses: dict[int, int]


class Killed(msgspec.Struct, frozen=True):
    """What came of a ``kill -9`` of the process that computes.

    Of the requests that were sent until the end: *failed* were answered with another status than 200, *lost* had
    their connection closed, *hung* had no answer long after; *unasked* are answers that nobody was waiting for.
    *before_per_s* and *after_per_s* are rates before the kill and at the end, *silent_s* the longest time without any
    right answer.
    """

    clients: int
    right: int
    failed: int
    lost: int
    hung: int
    unasked: int
    before_per_s: float
    after_per_s: float
    silent_s: float
    statuses: dict[int, int]


class Server(msgspec.Struct):
    """One server's row; *why_not* says what could not be had, or measured. *killed_alone* is of a worker that was the
    only one, where *killed* is of one of several.
    """

    name: str
    version: str = ""
    why_not: str = ""
    tried: list[Tried] = []
    best: Tried | None = None
    cost: Cost | None = None
    overload: Overload | None = None
    killed: Killed | None = None
    killed_alone: Killed | None = None
    took_s: float = 0.0


class Limit(msgspec.Struct, frozen=True):
    """The bare model: the best of what was tried (*processes* side by side), and the middle of all its rounds."""

    way: Bare
    processes: int
    tried: dict[str, float]
    rounds_per_s: list[float]
    per_s: float


class Comparison(msgspec.Struct):
    """A whole run."""

    model: str
    limit: Limit
    machine: Machine
    quick: bool = False
    servers: list[Server] = []


def write(comparison: Comparison, folder: Path) -> Path:
    """Write ``rivals.json`` into *folder*, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _FILE
    path.write_bytes(msgspec.json.format(msgspec.json.encode(comparison), indent=1))
    return path


def best_settings(folder: Path) -> dict[str, Setting]:
    """Return the best setting of each server in the run whose results are in *folder*; none where there are none."""
    path = folder / _FILE
    if not path.exists():
        return {}
    try:
        servers = msgspec.json.decode(path.read_bytes(), type=Comparison).servers
    except msgspec.DecodeError:
        return {}
    return {one.name: one.best.setting for one in servers if one.best and one.best.setting}
