"""``servoir down``: stops the suite."""

from __future__ import annotations

import click

from cli.output import json_option, report, step
from cli.suite import Suite


@click.command()
@json_option
@click.pass_obj
def down(suite: Suite, as_json: bool) -> None:
    """Stop the suite on this machine: requests at hand are finished, no process is left, data stays.

    While another command changes what runs, nothing is stopped, and that command is named.
    """
    with suite.changing(), step("stopped; no process is left"):
        suite.stop()
    words = f"Data is kept in {suite.settings.home}; `servoir up` starts again."
    report({"home": str(suite.settings.home)}, words, as_json=as_json)


COMMANDS = [down]
