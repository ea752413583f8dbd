"""``python -m loadtests.bench [PART …]``: measures, and shows a table.

What is measured goes into ``bench.json`` in the folder of results, with plots; a run of some parts leaves the others'
figures as they were.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from loadtests.bench import plots, report, results
from loadtests.bench.measures import batching, cost, efficiency, growth, latency, overload, server, soak
from loadtests.bench.plan import Plan, plan
from loadtests.bench.results import Results
from loadtests.bench.suite import Suite

PARTS = ("efficiency", "server", "latency", "cost", "batching", "overload", "growth", "soak")
_WIDTH = 150
_ON_A_SUITE = ("efficiency", "latency", "cost")
_ALONE: dict[str, Callable[[Plan], Any]] = {
    "server": server.measure,
    "batching": batching.measure,
    "overload": overload.measure,
    "growth": growth.measure,
    "soak": soak.measure,
}
"""Parts that start what they need themselves."""


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m loadtests.bench", description="Measure a suite of its own.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all but the last without any")
    parser.add_argument("--quick", action="store_true", help="three minutes, the detector alone: indicative")
    parser.add_argument("--models", type=Path, help="a folder of model folders; the demo models")
    parser.add_argument("--pictures", type=Path, help="a folder of JPEG files; the demo's photographs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where results go")
    parser.add_argument("--cache", type=Path, default=Path("~/.local/share/servoir/cache").expanduser())
    asked = parser.parse_args(arguments)
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)} (there are: {', '.join(PARTS)})")
    return asked


def _measure(parts: Sequence[str], plan: Plan, found: Results, console: Console) -> None:
    with ExitStack() as stack:
        if any(part in _ON_A_SUITE for part in parts):
            with console.status("a suite starts"):
                suite = stack.enter_context(Suite(plan.home / "suite", [*plan.measured, plan.echo]))
        for part in parts:
            if part in _ON_A_SUITE:
                _measure_on(part, plan, suite, found, console)
    for part, measure in _ALONE.items():
        if part in parts:
            with console.status(part):
                setattr(found, part, measure(plan))


def _measure_on(part: str, plan: Plan, suite: Suite, found: Results, console: Console) -> None:
    with console.status(part):
        if part == "efficiency":
            found.efficiencies = efficiency.measure(plan, suite)
        elif part == "latency":
            found.latency = latency.measure(plan, suite)
        else:
            found.cost = cost.measure(plan, suite)


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for, and show it."""
    asked, began = _options(arguments), time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    found = results.read(asked.out) if asked.parts else Results()
    wanted = asked.parts or (PARTS[:-2] if asked.quick else PARTS[:-1])
    parts = [part for part in PARTS if part in wanted]
    with TemporaryDirectory(prefix="servoir-bench-") as home:
        with console.status("models and pictures"):
            planned = plan(
                Path(home),
                cache=asked.cache,
                models_folder=asked.models,
                pictures_folder=asked.pictures,
                quick=asked.quick,
            )
        _measure(parts, planned, found, console)
    found.fill_in(planned)
    path, drawn = results.write(found, asked.out), plots.draw(found, asked.out)
    report.show(found, console)
    files = ", ".join([str(path), *(file.name for file in drawn)])
    console.print(f"{files} ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
