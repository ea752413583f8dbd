"""``servoir usage``: who used which model how much."""

from __future__ import annotations

from typing import Any

import click

from cli.output import json_option, print_json, print_table, readable_bytes, readable_seconds
from cli.suite import Suite

_PERCENTILES = {"latency_p50_s": ">p50", "latency_p95_s": ">p95", "latency_p99_s": ">p99"}


@click.command()
@click.option("--by", default="model", show_default=True, help="client, model, hour, day, status; joined with commas.")
@click.option("--from", "since", default="", help="The first moment, as 2026-01-31T12:00.")
@click.option("--to", "until", default="", help="The first moment that no longer counts.")
@click.option("--client", default="", help="Only this client's.")
@click.option("--model", default="", help="Only this model's.")
@json_option
@click.pass_obj
def usage(suite: Suite, by: str, since: str, until: str, client: str, model: str, as_json: bool) -> None:
    """Sum up the answered requests, latencies at most 4.5 % off; with an API key, those of its client."""
    answer = suite.gateway.usage(**{"by": by, "from": since, "to": until, "client": client, "model": model})
    if as_json:
        print_json(answer)
        return
    groups = [part.strip() for part in by.split(",")]
    columns = [*groups, ">requests", ">images", ">failed", ">received", ">model time", *_PERCENTILES.values()]
    print_table(columns, [_row(row, groups) for row in answer["rows"]] or [["nothing yet"] + [""] * (len(columns) - 1)])


def _row(row: dict[str, Any], groups: list[str]) -> list[object]:
    latencies = [readable_seconds(row[name]) if row.get(name) else "" for name in _PERCENTILES]
    told = [row["requests"], row["images"], row["failed"], readable_bytes(row["payload_bytes"])]
    return [*(row.get(group, "") for group in groups), *told, readable_seconds(row["service_s"]), *latencies]


COMMANDS = [usage]
