"""The table of a run: each figure with its aim, and what is behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from loadtests.bench.bare import Bare
from loadtests.bench.figures import Summary
from loadtests.bench.measures.batching import BATCH_S, Batching
from loadtests.bench.measures.cost import Cost
from loadtests.bench.measures.efficiency import Efficiency
from loadtests.bench.measures.growth import Growth
from loadtests.bench.measures.latency import Latency
from loadtests.bench.measures.overload import Overload
from loadtests.bench.measures.server import ServerFigures
from loadtests.bench.measures.soak import Soak
from loadtests.bench.results import Results


class Row(NamedTuple):
    """A line of the table: *met* says whether the figure reaches its *aim*, None where there is none."""

    what: str
    value: str
    aim: str = ""
    met: bool | None = None
    behind: str = ""


def show(results: Results, console: Console) -> None:
    """Print the table."""
    table = Table(title="Servoir against the bare model", title_justify="left", header_style="bold", expand=True)
    table.add_column("figure", ratio=4)
    table.add_column("value", justify="right", ratio=2)
    table.add_column("aim", justify="right", ratio=2)
    table.add_column("behind it", ratio=7, style="dim")
    for section in _sections(results):
        for row in section:
            colour = {True: "green", False: "red", None: "default"}[row.met]
            table.add_row(row.what, f"[{colour}]{row.value}[/]", row.aim, row.behind)
        table.add_section()
    console.print(table)
    if one := results.machine:
        quick = ", a quick run: indicative only" if results.quick else ""
        console.print(f"[dim]{one.processor}, {one.cores} cores, Python {one.python}{quick}[/]")


def _sections(results: Results) -> Iterator[list[Row]]:
    for one in results.efficiencies:
        yield _efficiency(one)
    if results.server:
        yield _server(results.server)
    if results.latency:
        yield _latency(results.latency)
    if results.cost:
        yield _cost(results.cost)
    if results.batching:
        yield [_batching(one) for one in results.batching]
    for overload in results.overload:
        yield _overload(overload)
    if results.growth:
        yield _growth(results.growth)
    if results.soak:
        yield _soak(results.soak)


def told(bare: Bare) -> str:
    """Return a way of calling the bare model in words."""
    return f"batch {bare.batch_size}, {bare.callers} callers, {bare.executions} executions, {bare.threads} threads each"


def _efficiency(one: Efficiency) -> list[Row]:
    aim = 0.95 if one.task == "bbox" else 0.90
    rates = f"{one.direct_per_s:.1f} of {one.bare_per_s:.1f} pictures/s; bare at {told(one.best)}"
    served = f"served with {one.served_concurrency} executions, {one.served_threads} threads each"
    front = f"{one.nginx_per_s:.1f} pictures/s; {served}"
    return [
        Row(f"efficiency, {one.model}", f"{one.efficiency:.3f}", f"≥ {aim:.2f}", one.efficiency >= aim, rates),
        Row("  through nginx", f"{one.efficiency_nginx:.3f}", "", None, front),
    ]


def _server(figures: ServerFigures) -> list[Row]:
    rows = []
    for one in figures.models:
        rates = ", ".join(f"batch {size}: {rate:.1f}/s" for size, rate in one.served_per_s.items())
        behind = f"{rates}; bare {one.bare_per_s:.1f}/s at {told(one.best)}"
        rows.append(Row(f"model server alone, {one.model}", f"{one.ratio:.3f}", "≥ 0.97", one.ratio >= 0.97, behind))
    return [
        *rows,
        _own("model server's own CPU, batch 8", figures.echo_cpu_us, figures.echo_items_per_s, "in shared memory"),
        _own("  sent over gRPC", figures.echo_sent_cpu_us, figures.echo_sent_items_per_s, "over gRPC"),
    ]


def _own(name: str, cpu_us: float, items_per_s: float, way: str) -> Row:
    behind = f"{items_per_s:.0f} items/s of 50 KB {way}"
    return Row(name, f"{cpu_us:.0f} µs/item", "< 60 µs", cpu_us < 60, behind)


def _latency(latency: Latency) -> list[Row]:
    alone = latency.alone
    behind = f"{alone.direct_ms:.1f} ms, bare {alone.bare_ms:.1f} ms (at its quickest {alone.bare_best_ms:.1f} ms)"
    through = f"{alone.nginx_ms:.1f} ms; the path without a model {alone.echo_ms:.1f} ms"
    rows = [
        Row("added latency, one at a time, p50", f"{alone.added_ms:.2f} ms", "≤ 3 ms", alone.added_ms <= 3, behind),
        Row("  through nginx", f"{alone.added_nginx_ms:.2f} ms", "", None, through),
    ]
    for one in latency.shares:
        name = f"latency at {one.share:.0%} of capacity, p50"
        behind = f"{tail(one.seen)}; {one.rate:.1f} of {latency.capacity_per_s:.1f}/s, open loop"
        rows.append(Row(name, f"{one.seen.p50_ms:.1f} ms", "", None, behind))
    return rows


def tail(seen: Summary) -> str:
    """Return the higher percentiles and what went otherwise than well."""
    text = ", ".join(f"{name} {value:.1f}" for name, value in seen.latency_ms.items() if name != "p50") + " ms"
    others = {status: count for status, count in seen.statuses.items() if status != 200}
    wrong = f", {seen.wrong} wrong answers" if seen.wrong else ""
    return text + (f", not answered with 200: {others}" if others else "") + wrong


def _cost(cost: Cost) -> list[Row]:
    direct, total = cost.direct, cost.cpu_us_per_request
    parts = ", ".join(f"{part} {cpu:.0f}" for part, cpu in sorted(direct.cpu_us.items(), key=lambda one: -one[1]))
    memory = ", ".join(f"{part} {size / 2**20:.0f}" for part, size in cost.memory_bytes.items())
    whole = sum(cost.memory_bytes.values()) / 2**20
    rate = f"{direct.first.ok_per_s:.0f} requests/s, {direct.cores_busy:.2f} cores busy"
    generator = f"the generator {direct.first.generator_cpu_us:.0f} µs apart"
    return [
        Row("CPU of a request, no-op model, 50 KB", f"{total:.0f} µs", "≤ 700 µs", total <= 700, parts),
        Row("  at saturation", f"{direct.first.ok_per_s:.0f}/s", "", None, f"{rate}, {generator}"),
        Row("  through nginx", f"{cost.nginx.suite_cpu_us:.0f} µs", "", None, f"{cost.nginx.first.ok_per_s:.0f}/s"),
        Row("memory of all processes", f"{whole:.0f} MiB", "", None, memory),
    ]


def _batching(one: Batching) -> Row:
    name = f"{one.clients} clients of {1000 * BATCH_S:.0f} ms for any batch"
    behind = f"{one.ok_per_s:.0f} of {one.most_per_s:.0f} requests/s, p50 {one.p50_ms:.1f} ms"
    return Row(name, f"{one.share:.2f}", "", None, behind)


def _overload(one: Overload) -> list[Row]:
    goodput = f"{one.goodput_per_s:.1f}/s in time, capacity {one.capacity_per_s:.1f}/s, {one.offered_per_s:.0f}/s asked"
    refused = one.flood.refusal_p50_ms or math.nan
    alone_ms, other_ms = one.other_alone.p50_ms, one.other.p50_ms
    times = other_ms / alone_ms
    behind = f"p50 {other_ms:.1f} ms, without the flood {alone_ms:.1f} ms; {one.other.statuses}"
    return [
        Row(f"goodput at {one.times}x, {one.model}", f"{one.goodput:.3f}", "≥ 0.95", one.goodput >= 0.95, goodput),
        Row("  late answers", f"{one.late}", "0", one.late == 0, f"{one.flood.statuses}"),
        Row("  refusals, p50", f"{refused:.1f} ms", "< 10 ms", refused < 10, f"{one.cores_busy:.2f} cores busy"),
        Row("  another client's wait", f"{times:.2f}x", "≤ 2x", times <= 2, behind),
    ]


def _growth(growth: Growth) -> list[Row]:
    rows = []
    for name, points in (
        ("models registered", growth.models),
        ("pictures waiting", growth.waiting),
        ("gateway processes", growth.gateways),
    ):
        told_points = ", ".join(
            f"{point.of}: {point.ok_per_s:.0f}/s {point.cpu_us:.0f} µs, {point.cpu_times:.2f}x" for point in points
        )
        rows.append(Row(f"CPU with {points[-1].of} {name}", f"{points[-1].cpu_times:.2f}x", "", None, told_points))
    return rows


def _soak(soak: Soak) -> list[Row]:
    first, last = soak.levels[0], soak.levels[-1]
    grown = "; ".join(
        f"{part} {first.memory_bytes.get(part, 0) / 2**20:.0f} → {size / 2**20:.0f}"
        for part, size in last.memory_bytes.items()
    )
    more = set(last.redis_keys) - set(first.redis_keys)
    keys = f"{len(first.redis_keys)} → {len(last.redis_keys)} keys{', new: ' if more else ''}{', '.join(sorted(more))}"
    used = f"{first.redis_bytes / 2**20:.2f} → {last.redis_bytes / 2**20:.2f} MiB in use; {keys}"
    other = {status: count for status, count in soak.statuses.items() if status != 200}
    right = f"{soak.wrong} wrong answers; not answered with 200: {other or 'none'}"
    return [
        Row(f"memory after {last.requests:,} requests", f"{_mib(last.all_bytes - first.all_bytes)}", "", None, grown),
        Row("  in Redis", _mib(last.redis_bytes - first.redis_bytes), "no more keys", not more, used),
        Row("  answers", f"{soak.statuses.get(200, 0):,}", "all right", not other and not soak.wrong, right),
    ]


def _mib(more_bytes: int) -> str:
    return f"{more_bytes / 2**20:+.1f} MiB"
