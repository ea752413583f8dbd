"""All that a run found, as it goes into ``bench.json``."""

from __future__ import annotations

import platform
from pathlib import Path

import msgspec

from chassis import interpreter
from loadtests.bench.measures.batching import Batching
from loadtests.bench.measures.cost import Cost
from loadtests.bench.measures.efficiency import Efficiency
from loadtests.bench.measures.growth import Growth
from loadtests.bench.measures.latency import Latency
from loadtests.bench.measures.overload import Overload
from loadtests.bench.measures.server import ServerFigures
from loadtests.bench.measures.soak import Soak
from loadtests.bench.plan import Plan


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    processor: str
    cores: int
    python: str


class Results(msgspec.Struct):
    """The first five are the figures that stand for all (of the detector); None where their part was not run."""

    efficiency: float | None = None
    cpu_us_per_request: float | None = None
    added_latency_p50_ms: float | None = None
    goodput_4x: float | None = None
    late_4x: int | None = None
    machine: Machine | None = None
    quick: bool = False
    efficiencies: list[Efficiency] = []
    cost: Cost | None = None
    latency: Latency | None = None
    batching: list[Batching] = []
    overload: list[Overload] = []
    server: ServerFigures | None = None
    growth: Growth | None = None
    soak: Soak | None = None

    def fill_in(self, plan: Plan) -> None:
        """Set the figures that stand for all, and where they were measured."""
        detector = plan.detector.key
        self.machine, self.quick = machine(plan.cores), plan.quick
        self.efficiency = next((one.efficiency for one in self.efficiencies if one.model == detector), None)
        self.cpu_us_per_request = self.cost.cpu_us_per_request if self.cost else None
        self.added_latency_p50_ms = self.latency.alone.added_ms if self.latency else None
        worst = [one for one in self.overload if one.times == 4]
        self.goodput_4x = min((one.goodput for one in worst), default=None)
        self.late_4x = sum(one.late for one in worst) if worst else None


def machine(cores: int) -> Machine:
    """Return what this machine is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(names[0] if names else platform.machine(), cores, interpreter.version())


def write(results: Results, folder: Path) -> Path:
    """Write ``bench.json`` into *folder*, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    return path


def read(folder: Path) -> Results:
    """Return what was written last; empty results where nothing was, or by a version that measured other things."""
    try:
        return msgspec.json.decode((folder / "bench.json").read_bytes(), type=Results)
    except (FileNotFoundError, msgspec.ValidationError):
        return Results()
