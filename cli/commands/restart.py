"""``servoir restart``: the parts of the suite take up new code or settings, one after the other; no request is lost."""

from __future__ import annotations

import click

from cli.completions import model_keys
from cli.output import json_option, report
from cli.renewal import PARTS, Renewal
from cli.suite import Suite


@click.command()
@click.argument(
    "parts",
    nargs=-1,
    shell_complete=lambda context, parameter, begun: [
        *(part for part in PARTS if part.startswith(begun)),
        *model_keys(context, parameter, begun),
    ],
)
@json_option
@click.pass_obj
def restart(suite: Suite, parts: tuple[str, ...], as_json: bool) -> None:
    """Restart PARTS: registry, dispatcher, jobs, gateway, nginx, or models by their keys; without any, all of these.

    Each serves again before the next one ends. A model with one server gets a second one meanwhile, which needs its
    memory twice. Gateways and nginx are reloaded: new processes take over, old ones finish what they have. A part that
    is down is started. MongoDB and Valkey run on. What has changed in servoir.yaml is for `servoir up`.
    """
    with suite.changing():
        done = Renewal(suite).renew(parts)
    report({"restarted": done}, f"Restarted: {', '.join(done)}.", as_json=as_json)


COMMANDS = [restart]
