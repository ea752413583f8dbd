"""``servoir scale``: more or fewer servers of one model."""

from __future__ import annotations

import click

from cli.completions import model_keys
from cli.deployment import MOST_MODEL_SERVERS
from cli.output import json_option, report
from cli.rollout import Rollout
from cli.suite import Suite


@click.command()
@click.argument("key", shell_complete=model_keys)
@click.argument("replicas", type=click.IntRange(0, MOST_MODEL_SERVERS))
@json_option
@click.pass_obj
def scale(suite: Suite, key: str, replicas: int, as_json: bool) -> None:
    """Serve the model KEY with REPLICAS servers, until servoir.yaml says something else of it.

    Returns when new servers get work; those that end finish theirs first.
    """
    with suite.changing():
        Rollout(suite).scale(key, replicas)
    report({"key": key, "replicas": replicas}, f"{key} has {replicas} server(s).", as_json=as_json)


COMMANDS = [scale]
