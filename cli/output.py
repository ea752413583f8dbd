"""What the command shows: steps with their times, tables, or JSON for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_OF_FILES = 160
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show that *what* is being done, and once it is done for how long it took."""
    began = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"[green]✔[/green] {what} [dim]{time.monotonic() - began:.1f} s[/dim]")


def print_json(value: object) -> None:
    """Print *value* as indented JSON on standard output."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(text + "\n")


def _words_aside(_: click.Context, __: click.Parameter, as_json: bool) -> bool:
    if as_json:
        console.file = sys.stderr
    return as_json


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; all else goes to standard error.", callback=_words_aside
)
"""The option of every command that has something to tell; programs find nothing but JSON on standard output."""


def report(value: object, words: str, *, as_json: bool) -> None:
    """Print what came of a command: *value* as JSON, or *words*."""
    if as_json:
        print_json(value)
    else:
        console.print(words)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print a table; columns whose name starts with ``>`` are of numbers, at the right."""
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else str(cell) for cell in row))
    console.print(table)


def print_problem(problem: str, advice: str) -> None:
    """Print on standard error what is wrong, and what to do next."""
    errors.print(Text(problem, style="red"))
    if advice:
        errors.print(advice, markup=False)


def readable_bytes(count: float) -> str:
    """Return ``1.5 GiB`` and the like."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit in ("B", "KiB") else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


def readable_seconds(seconds: float) -> str:
    """Return ``12.3 ms``, ``4.5 s``, ``3 min`` or ``2.1 h``."""
    for limit, unit, scale in ((0.9995, "ms", 0.001), (120, "s", 1), (7200, "min", 60)):
        if seconds < limit:
            return f"{seconds / scale:.0f} {unit}" if unit == "min" else f"{seconds / scale:.1f} {unit}"
    return f"{seconds / 3600:.1f} h"
