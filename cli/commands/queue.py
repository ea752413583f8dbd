"""``servoir queue``: what waits for each model."""

from __future__ import annotations

import click

from cli.output import json_option, print_json, print_table, readable_bytes, readable_seconds
from cli.suite import Suite

_COLUMNS = ["model", ">waiting", ">at work", ">oldest", ">bytes", ">servers", ">images/s", ">refused", ">quarantined"]


@click.command()
@json_option
@click.pass_obj
def queue(suite: Suite, as_json: bool) -> None:
    """Show each model's queue: what waits, what is at work, how fast it drains, what was refused or given up."""
    queues = suite.gateway.queues()
    if as_json:
        print_json(queues)
        return
    rows = [
        (
            row["model"],
            row["interactive"] + row["batch"] + row["suspects"],
            row["at_work"],
            readable_seconds(row["oldest_s"]) if row["oldest_s"] else "",
            readable_bytes(row["bytes"]),
            row["replicas"],
            f"{row['drain_rate']:.0f}",
            sum(row["refused"].values()),
            row["quarantined"],
        )
        for row in queues
    ]
    print_table(_COLUMNS, rows)


COMMANDS = [queue]
