"""``servoir doctor``: what is wrong on this machine, and what to do about it."""

from __future__ import annotations

import click

from cli.errors import Exit
from cli.examination import examine
from cli.output import console, json_option, print_json
from cli.suite import Suite

_SIGNS = {"ok": "[green]✔[/green]", "warning": "[yellow]![/yellow]", "wrong": "[red]✘[/red]"}


@click.command()
@json_option
@click.pass_obj
def doctor(suite: Suite, as_json: bool) -> None:
    """Look for what keeps the suite from working. Exit code 0 when nothing is wrong, 1 when something is."""
    findings = list(examine(suite))
    if as_json:
        print_json(findings)
    for finding in [] if as_json else findings:
        console.print(f"{_SIGNS[finding.verdict]} {finding.what}: {finding.found}")
        if finding.advice:
            console.print(f"    {finding.advice}")
    if any(finding.verdict == "wrong" for finding in findings):
        raise SystemExit(Exit.FAILED)


COMMANDS = [doctor]
