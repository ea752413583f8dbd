"""The table of a comparison, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from loadtests.rivals.plan import DEADLINE_S, FEW, MANY, TIMES
from loadtests.rivals.results import Comparison, Killed, Limit, Overload, Server
from loadtests.rivals.rival import NOT_TO_BE_HAD

HEADERS = (
    "server",
    "best setting",
    f"{FEW} clients",
    f"{MANY} clients",
    "CPU, no-op",
    f"goodput at {TIMES}x",
    "late",
    "refusal p50",
    "unanswered",
    "worker killed",
)
_NONE = "-"


def rows(comparison: Comparison) -> list[list[str]]:
    """Return the table's rows: the bare model, then each server, then those that could not be had."""
    limit = comparison.limit
    bare = ["bare model", _way(limit), *[f"{limit.per_s:.1f}/s"] * 2]
    found = [_padded(bare), *(_row(server) for server in comparison.servers)]
    return found + [_padded([name, "not to be had"]) for name in NOT_TO_BE_HAD]


def notes(comparison: Comparison) -> list[str]:
    """Return what stands below the table: all settings that were tried, what was wrong, what was answered."""
    limit = comparison.limit
    ways = ", ".join(f"{way}: {per_s:.1f}" for way, per_s in limit.tried.items())
    rounds = ", ".join(f"{each:.1f}" for each in limit.rounds_per_s)
    found = [f"bare model, pictures/s: {ways}; its best in all rounds: {rounds}"]
    for server in comparison.servers:
        found += _notes(server)
    return found + [f"{name}: {why}" for name, why in NOT_TO_BE_HAD.items()]


def markdown(comparison: Comparison) -> str:
    """Return the table and its notes as Markdown."""
    machine = comparison.machine
    quick = " A quick run: indicative only." if comparison.quick else ""
    table = [_line(HEADERS), _line(["---"] * len(HEADERS)), *map(_line, rows(comparison))]
    told = [f"- {note}" for note in notes(comparison)]
    where = f"{comparison.model}; {machine.processor}, {machine.cores} cores, Python {machine.python}.{quick}"
    return "\n".join([where, "", *table, "", *told, ""])


def show(comparison: Comparison, console: Console) -> None:
    """Print the table and its notes."""
    table = Table(title="Servoir and others", title_justify="left", header_style="bold")
    for number, header in enumerate(HEADERS):
        table.add_column(header, justify="left" if number < 2 else "right")
    for row in rows(comparison):
        table.add_row(*row)
    console.print(table)
    for note in notes(comparison):
        console.print(f"[dim]{note}[/]", highlight=False)
    machine = comparison.machine
    quick = ", a quick run: indicative only" if comparison.quick else ""
    console.print(f"[dim]{comparison.model}; {machine.processor}, {machine.cores} cores{quick}[/]")


def _row(server: Server) -> list[str]:
    name = f"{server.name} {server.version}".strip()
    if server.best is None:
        return _padded([name, "see below"])
    best = server.best
    setting = best.setting.told() if best.setting else "sets itself"
    rates = [f"{each.per_s:.1f}/s ({each.per_s / best.bare_per_s:.2f})" for each in (best.few, best.many)]
    cost = f"{server.cost.cpu_us:.0f} µs" if server.cost else _NONE
    return [name, setting, *rates, cost, *_overload(server.overload), _killed(server.killed)]


def _overload(one: Overload | None) -> list[str]:
    if one is None:
        return [_NONE] * 4
    refusal = _NONE if one.refusal_p50_ms is None else f"{one.refusal_p50_ms:.1f} ms"
    goodput = f"{one.on_time_per_s:.1f}/s ({one.on_time_per_s / one.bare_per_s:.2f})"
    return [goodput, str(one.late), refusal, str(one.unanswered)]


def _killed(one: Killed | None) -> str:
    if one is None:
        return _NONE
    return f"{one.failed} failed, {one.lost} lost, {one.hung} hung, {one.unasked} twice"


def _notes(server: Server) -> list[str]:
    found = []
    if len(server.tried) > 1:
        tried = ", ".join(
            f"{each.setting.told()}: {each.few.per_s:.1f} and {each.many.per_s:.1f}"
            for each in server.tried
            if each.setting
        )
        found.append(f"{server.name}, pictures/s with {FEW} and {MANY} clients: {tried}")
    if server.overload:
        one = server.overload
        found.append(
            f"{server.name}, {one.offered_per_s:.0f}/s asked, deadline {DEADLINE_S:g} s: {_told(one.statuses)}"
        )
    if server.killed:
        found.append(f"{server.name}, a worker killed: {_told_kill(server.killed)}")
    if server.killed_alone:
        found.append(f"{server.name}, its only worker killed: {_told_kill(server.killed_alone)}")
    if wrong := _wrong(server):
        found.append(f"{server.name}: {wrong} WRONG ANSWERS")
    if server.why_not:
        found.append(f"{server.name}: {server.why_not}")
    return found


def _told_kill(kill: Killed) -> str:
    rates = f"{kill.before_per_s:.1f}/s before, {kill.after_per_s:.1f}/s at the end"
    silent = f"at most {kill.silent_s:.1f} s without an answer"
    return f"{_killed(kill)}; {_told(kill.statuses)}; {kill.clients} clients, {rates}, {silent}"


def _wrong(server: Server) -> int:
    loads = [load for each in server.tried for load in (each.few, each.many)]
    return sum(load.wrong for load in loads) + (server.cost.wrong if server.cost else 0)


def _told(statuses: dict[int, int]) -> str:
    return ", ".join(f"{count} x {status or 'no answer'}" for status, count in statuses.items())


def _way(limit: Limit) -> str:
    way = limit.way
    return f"{limit.processes} x {way.threads} threads, batch {way.batch_size}, {way.callers} callers"


def _padded(cells: Sequence[str]) -> list[str]:
    return [*cells, *[_NONE] * (len(HEADERS) - len(cells))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
