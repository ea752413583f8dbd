"""``servoir models``, ``release`` and ``retire``: what models there are, and which of them answer."""

from __future__ import annotations

import click

from cli.output import console, print_json, print_table
from cli.suite import Suite


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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


@click.command()
@click.argument("key")
@click.pass_obj
def release(suite: Suite, key: str) -> None:
    """Release the model KEY, so that its short key <org>-<problem> finds it."""
    suite.gateway.release(key)
    console.print(f"{key} is released.")


@click.command()
@click.argument("key")
@click.pass_obj
def retire(suite: Suite, key: str) -> None:
    """Retire the model KEY, so that no request finds it any more."""
    suite.gateway.retire(key)
    console.print(f"{key} is retired. Its servers run on until it is taken out of servoir.yaml.")


COMMANDS = [models, release, retire]
