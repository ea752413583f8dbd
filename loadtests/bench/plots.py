"""The plots of a run, as SVG files: throughput, latency, and where a request's CPU goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.patches import Patch

from loadtests.bench.measures.cost import Cost
from loadtests.bench.measures.efficiency import Efficiency
from loadtests.bench.measures.latency import Latency
from loadtests.bench.measures.overload import Overload
from loadtests.bench.measures.soak import Soak
from loadtests.bench.results import Results

INK, BARE, SUITE, FRONT, WARN = "#22313f", "#b8c4cf", "#0b7285", "#66b2c2", "#c2410c"
PARTS = ("#0b7285", "#1c9aa8", "#66b2c2", "#a5d0d8", "#8d99ae", "#b8c4cf", "#d9dee3", "#edf0f2")
BUDGET_US = 700.0
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9aa5b1",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured into *folder*; return the files."""
    drawn = []
    with matplotlib.rc_context(_STYLE):
        for name, found, draw_on in (
            ("efficiency", results.efficiencies, _efficiency),
            ("latency", results.latency, _latency),
            ("cost", results.cost, _cost),
            ("overload", results.overload, _overload),
            ("soak", results.soak, _soak),
        ):
            if found:
                drawn.append(_save(folder / f"{name}.svg", found, draw_on))
    return drawn


def _save(path: Path, found: Any, draw_on: Any) -> Path:
    figure, axes = pyplot.subplots(figsize=(7.2, 3.6))
    draw_on(axes, found)
    figure.savefig(path)
    pyplot.close(figure)
    return path


def _efficiency(axes: Any, found: list[Efficiency]) -> None:
    for place, one in enumerate(found):
        bars = ((one.bare_per_s, BARE), (one.direct_per_s, SUITE), (one.nginx_per_s, FRONT))
        for offset, (value, colour) in enumerate(bars):
            at = place + (offset - 1) * 0.27
            axes.bar(at, value, 0.25, color=colour)
            text = f"{value:.0f}" if offset == 0 else f"{value:.0f}\n{value / one.bare_per_s:.0%}"
            axes.text(at, value, text, ha="center", va="bottom", fontsize=9)
    axes.set_xticks(range(len(found)), [one.model for one in found])
    axes.set_ylabel("pictures per second")
    axes.margins(y=0.18)
    axes.set_title("Throughput on the same cores")
    handles = [Patch(color=colour) for colour in (BARE, SUITE, FRONT)]
    axes.legend(handles, ["bare model, at its best", "suite", "suite behind nginx"], loc="upper left", ncols=3)


def _latency(axes: Any, latency: Latency) -> None:
    shares = [100 * one.share for one in latency.shares]
    for name, colour in zip(("p50", "p90", "p99", "p99.9"), (SUITE, FRONT, BARE, "#d9dee3"), strict=True):
        values = [one.seen.latency_ms.get(name, 0.0) for one in latency.shares]
        axes.plot(shares, values, marker="o", color=colour, linewidth=2)
        axes.annotate(name, (shares[-1], values[-1]), xytext=(8, 0), textcoords="offset points", va="center")
    axes.axhline(latency.alone.bare_ms, color=WARN, linewidth=1, linestyle=":")
    axes.annotate("bare model, one at a time", (shares[0], latency.alone.bare_ms), color=WARN, va="top", fontsize=9)
    axes.set_xlim(shares[0] - 3, shares[-1] + 9)
    axes.set_ylim(bottom=0)
    axes.set_xticks(shares)
    axes.set_xlabel(f"load, % of {latency.capacity_per_s:.0f} pictures per second (Poisson arrivals)")
    axes.set_ylabel("milliseconds")
    axes.set_title(f"Latency of {latency.model}")


def _cost(axes: Any, cost: Cost) -> None:
    names = [part for part, cpu in sorted(cost.direct.cpu_us.items(), key=lambda one: -one[1]) if cpu >= 1]
    for place, load in enumerate((cost.nginx, cost.direct)):
        left = 0.0
        for part, colour in zip(
            ["nginx", *(name for name in names if name != "nginx")], ("#c9b8a8", *PARTS), strict=False
        ):
            cpu = load.cpu_us.get(part, 0.0)
            axes.barh(place, cpu, 0.5, left=left, color=colour, label=part if place else None)
            left += cpu
        axes.text(left + 10, place, f"{left:.0f} µs", va="center")
    axes.axvline(BUDGET_US, color=WARN, linewidth=1, linestyle=":")
    axes.annotate("budget", (BUDGET_US, 1.42), xytext=(4, 0), textcoords="offset points", color=WARN)
    axes.set_yticks([0, 1], ["behind nginx", "direct"])
    axes.set_xlabel("CPU of one request, µs (no-op model, 50 KB)")
    axes.margins(x=0.14)
    axes.set_title("Where a request's CPU goes")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5, fontsize=8)


def _overload(axes: Any, found: list[Overload]) -> None:
    for place, one in enumerate(found):
        seconds = one.flood.seconds
        refused = sum(count for status, count in one.flood.statuses.items() if status != 200) / seconds
        axes.bar(place, one.goodput_per_s, 0.5, color=SUITE)
        axes.bar(place, refused, 0.5, bottom=one.goodput_per_s, color="#edf0f2")
        axes.plot([place - 0.32, place + 0.32], [one.capacity_per_s] * 2, color=WARN, linewidth=1.5)
        axes.text(place, one.goodput_per_s, f"{one.goodput:.0%}", ha="center", va="top", color="white", fontsize=9)
    axes.set_xticks(range(len(found)), [f"{one.model}\n{one.times}x, {one.late} late" for one in found])
    axes.set_ylabel("requests per second")
    axes.set_title("Asked for more than can be done, with a deadline of 1 s")
    handles = [Patch(color=colour) for colour in (SUITE, "#edf0f2", WARN)]
    axes.legend(handles, ["answered in time", "refused", "capacity"], loc="upper left", ncols=3)


def _soak(axes: Any, soak: Soak) -> None:
    last = soak.levels[-1]
    done = [level.requests / 1000 for level in soak.levels]
    largest = sorted(last.memory_bytes, key=lambda part: -last.memory_bytes[part])[: len(PARTS)]
    for part, colour in zip(largest, PARTS, strict=False):
        held = [level.memory_bytes.get(part, 0) / 2**20 for level in soak.levels]
        axes.plot(done, held, color=colour, linewidth=2, label=part)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("thousands of requests answered")
    axes.set_ylabel("MiB at rest")
    axes.set_title("Memory of each part")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5, fontsize=8)
