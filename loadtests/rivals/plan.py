"""What a comparison tries, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.cores import cores
from loadtests.bench.generator import Picture
from loadtests.bench.models import Model
from loadtests.rivals.results import Setting

FEW, MANY = 8, 64
KILL_CLIENTS = 16
TIMES = 4
DEADLINE_S = 1.0
QUEUE_SHARE = 0.6
"""Of the requests that a rival can do within the deadline, how many may wait: it could still serve all in time."""


@dataclass(frozen=True)
class Plan:
    """*pictures* say what the right answer holds; *body* is what the *echo* is sent. Times in seconds."""

    home: Path
    cache: Path
    model: Model
    echo: Model
    pictures: Sequence[Picture]
    body: Picture
    quick: bool

    @property
    def cores(self) -> int:
        """The cores that everything here shares."""
        return cores()

    @property
    def pictures_folder(self) -> Path:
        """Where the pictures are."""
        return self.home / "photographs"

    @property
    def warm_up_s(self) -> float:
        """Before each measurement."""
        return 0.8 if self.quick else 1.0

    @property
    def throughput_s(self) -> float:
        """Of each number of clients, for each setting."""
        return 2.5 if self.quick else 3.5

    @property
    def cost_s(self) -> float:
        """Of the model that does nothing."""
        return 2.5 if self.quick else 5.0

    @property
    def overload_s(self) -> float:
        """Of the flood."""
        return 4.0 if self.quick else 8.0

    @property
    def kill_s(self) -> float:
        """From before the kill to the end; long enough for a worker to come back."""
        return 8.0 if self.quick else 10.0


def grid(cores: int) -> list[Setting]:
    """Return the settings that are tried with each rival: one process whose engine has all cores, and a process for
    each core, without batches and with. The last, if it is the best, spares a start.
    """
    return [
        Setting(workers=1, threads=cores, batch_size=8, wait_ms=5),
        Setting(workers=cores, threads=1, batch_size=1, wait_ms=0),
        Setting(workers=cores, threads=1, batch_size=4, wait_ms=2),
    ]


def cheapest() -> Setting:
    """Return the setting with which a request to a model that does nothing costs a rival least: few, full batches."""
    return Setting(workers=1, threads=1, batch_size=8, wait_ms=2)
