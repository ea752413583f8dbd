"""``servoir scale``: more or fewer servers of one model."""

from __future__ import annotations

import click
import msgspec

from cli.deployment import MOST_MODEL_SERVERS
from cli.errors import Exit, Stop
from cli.output import console
from cli.suite import Suite


@click.command()
@click.argument("key")
@click.argument("replicas", type=click.IntRange(0, MOST_MODEL_SERVERS))
@click.pass_obj
def scale(suite: Suite, key: str, replicas: int) -> None:
    """Serve the model KEY with REPLICAS servers, until the next `servoir up`.

    New servers get work as soon as they are warm; those that end finish theirs first.
    """
    if not suite.supervisor.runs():
        raise Stop("the suite does not run here", "Start it with `servoir up`.", code=Exit.AWAY)
    entries = suite.entries_now()
    if key not in entries:
        raise Stop(f"{key} is not in {suite.settings.config}", f"There are: {', '.join(entries)}.")
    entries[key] = msgspec.structs.replace(entries[key], replicas=replicas)
    suite.apply_model_servers(list(entries.values()))
    console.print(f"{key} has {replicas} server(s). To keep it so, say `replicas: {replicas}` in servoir.yaml.")


COMMANDS = [scale]
