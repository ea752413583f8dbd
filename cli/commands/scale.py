"""``servoir scale``: more or fewer servers of one model."""

from __future__ import annotations

import click

from cli.deployment import MOST_MODEL_SERVERS
from cli.output import console
from cli.rollout import Rollout
from cli.suite import Suite


@click.command()
@click.argument("key")
@click.argument("replicas", type=click.IntRange(0, MOST_MODEL_SERVERS))
@click.pass_obj
def scale(suite: Suite, key: str, replicas: int) -> None:
    """Serve the model KEY with REPLICAS servers, until servoir.yaml says something else of it.

    Returns when new servers get work; those that end finish theirs first.
    """
    with suite.changing():
        Rollout(suite).scale(key, replicas)
    console.print(f"{key} has {replicas} server(s).")


COMMANDS = [scale]
