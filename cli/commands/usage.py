"""``servoir usage``: who used which model how much."""

from __future__ import annotations

import click

from cli.output import print_json, print_table
from cli.suite import Suite


@click.command()
@click.option("--by", default="model", show_default=True, help="client, model, hour, day, status; joined with commas.")
@click.option("--from", "since", default="", help="The first moment, as 2026-01-31T12:00.")
@click.option("--to", "until", default="", help="The first moment that no longer counts.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def usage(suite: Suite, by: str, since: str, until: str, as_json: bool) -> None:
    """Sum up the answered requests."""
    answer = suite.gateway.get("/api/vision/v3/usage", **{"by": by, "from": since, "to": until})
    if as_json:
        print_json(answer)
        return
    rows = answer["rows"]
    columns = list(rows[0]) if rows else ["usage"]
    print_table(columns, [[row.get(column, "") for column in columns] for row in rows] or [["nothing yet"]])


COMMANDS = [usage]
