"""``python -m loadtests.rivals [--quick] [--only mosec,servoir]``: ours and others, in one run on the same cores.

Each gets the same pictures, runs the same engine and adapter, and is measured by the same generator, one after the
other, and the bare model before and after each. Results: a table, ``rivals.json`` and ``rivals.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from loadtests.bench import models, pictures
from loadtests.bench.models import Model
from loadtests.bench.plan import BODY_BYTES
from loadtests.bench.results import machine
from loadtests.rivals import environments, measure, report, results
from loadtests.rivals.environments import CannotInstall
from loadtests.rivals.expected import with_expected
from loadtests.rivals.limit import Yardstick
from loadtests.rivals.plan import Plan, grid
from loadtests.rivals.results import OURS, Comparison, Server, Setting
from loadtests.rivals.rival import RIVALS, Rival

_WIDTH = 190
_NAMES = (OURS, *(rival.name for rival in RIVALS))


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(_NAMES):
        raise argparse.ArgumentTypeError(f"no such server: {', '.join(unknown)} (there are: {', '.join(_NAMES)})")
    return names


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m loadtests.rivals", description="Measure our suite beside others.")
    parser.add_argument("--quick", action="store_true", help="short: each rival only at its best setting of last time")
    parser.add_argument("--only", type=_names, default=_NAMES, metavar="A,B", help=f"of {', '.join(_NAMES)}")
    parser.add_argument("--install", action="store_true", help="make the rivals' environments, and stop")
    parser.add_argument("--model", type=Path, help="a model folder; the demo's detector, a MobileNetV2 with SSD")
    parser.add_argument("--pictures", type=Path, help="a folder of JPEG files; the demo's photographs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where results go")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("~/.local/share/servoir/cache").expanduser(),
        help="where models are, and in rivals/ the rivals' environments",
    )
    return parser.parse_args(arguments)


def _install(cache: Path, names: Sequence[str], console: Console) -> None:
    """Make the environments that are not there yet; a rival whose cannot be made says so in its row."""
    for rival in RIVALS:
        if rival.name in names:
            with console.status(f"the environment of {rival.name}"):
                try:
                    environments.programs(rival, cache)
                except CannotInstall as error:
                    console.print(f"{rival.name}: {error}")


def _detector(found: Sequence[Model]) -> Model:
    return next(model for model in found if model.task == "bbox")


def _plan(home: Path, asked: argparse.Namespace) -> Plan:
    model = models.read_model(asked.model) if asked.model else _detector(models.demo_models(asked.cache))
    photographs = pictures.photographs(asked.pictures, home / "photographs")
    return Plan(
        home=home,
        cache=asked.cache,
        model=model,
        echo=models.echo_model(home, "echo"),
        pictures=with_expected(photographs, model),
        body=pictures.of_bytes(BODY_BYTES, home),
        quick=asked.quick,
    )


def _settings(rival: Rival, plan: Plan, known: dict[str, Setting]) -> list[Setting]:
    """Return what is tried: the whole grid, or in a quick run the best of last time alone."""
    tried = grid(plan.cores)
    return [known.get(rival.name, tried[-1])] if plan.quick else tried


def _measure(plan: Plan, names: Sequence[str], known: dict[str, Setting], console: Console) -> Comparison:
    with console.status("the bare model"):
        yardstick = Yardstick(plan.model, plan.pictures_folder, plan.cores, seconds=1.5 if plan.quick else 2.5)
    comparison = Comparison(plan.model.key, yardstick.limit, machine(plan.cores), plan.quick)
    if OURS in names:
        with console.status(OURS):
            _add(comparison, measure.ours(plan, yardstick), console)
    for rival in RIVALS:
        if rival.name in names:
            with console.status(rival.name):
                settings = _settings(rival, plan, known)
                _add(comparison, measure.rival(rival, plan, settings, yardstick), console)
    comparison.limit = yardstick.limit
    return comparison


def _add(comparison: Comparison, server: Server, console: Console) -> None:
    comparison.servers.append(server)
    console.print(f"{server.name}: {server.took_s:.0f} s {server.why_not}", highlight=False)


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for, and show it."""
    asked, began = _options(arguments), time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    _install(asked.cache, asked.only, console)
    if asked.install:
        return 0
    known = results.best_settings(asked.out)
    with TemporaryDirectory(prefix="servoir-rivals-", ignore_cleanup_errors=True) as home:
        with console.status("models and pictures"):
            plan = _plan(Path(home), asked)
        comparison = _measure(plan, asked.only, known, console)
    path, told = results.write(comparison, asked.out), asked.out / "rivals.md"
    told.write_text(report.markdown(comparison))
    report.show(comparison, console)
    console.print(f"{path}, {told} ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
