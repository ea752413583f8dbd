"""``servoir models``: what models there are, and which of them answer."""

from __future__ import annotations

import click

from cli.output import json_option, print_json, print_table
from cli.suite import Suite


@click.command()
@json_option
@click.pass_obj
def models(suite: Suite, as_json: bool) -> None:
    """List the published models."""
    listed = suite.gateway.models()
    if as_json:
        print_json(listed)
        return
    defaults = set(listed["defaults"].values())
    rows = []
    for model in listed["models"]:
        key = "-".join(model[part] for part in ("org_name", "problem_id", "rel_num"))
        default = "default" if key in defaults else ""
        rows.append((key, model["task"], model["dnnarch"], model["framework_type"], model["status"], default))
    print_table(["key", "task", "network", "engine", "status", ""], rows)


COMMANDS = [models]
