"""``servoir down``: stops the suite."""

from __future__ import annotations

import click

from cli.output import console, step
from cli.suite import Suite


@click.command()
@click.pass_obj
def down(suite: Suite) -> None:
    """Stop the suite on this machine: requests at hand are finished, no process is left, data stays."""
    with step("stopped; no process is left"):
        suite.stop()
    console.print(f"Data is kept in {suite.settings.home}; `servoir up` starts again.")


COMMANDS = [down]
