"""``servoir release`` and ``retire``: another version of a model takes over, or nothing does; no request is lost."""

from __future__ import annotations

import click

from cli.acceptance import Demands, check
from cli.completions import model_keys
from cli.errors import Exit, Stop
from cli.model_set import problem_of
from cli.output import json_option, report
from cli.rollout import PATIENCE_S, SETTLE_S, Rollout
from cli.suite import Suite

_settle = click.option(
    "--settle", default=SETTLE_S, show_default=True, help="Seconds without a request after which a version is left."
)
_patience = click.option(
    "--patience", default=PATIENCE_S, show_default=True, help="Seconds to wait for the requests to leave a version."
)
_registry_only = click.option(
    "--registry-only", is_flag=True, help="Tell the registry alone: the model's servers are not this machine's."
)


@click.command()
@click.argument("key", shell_complete=model_keys)
@click.option("--replicas", type=click.IntRange(1), default=None, help="How many servers; as many as the old one has.")
@click.option("--require", multiple=True, metavar="DEMAND", help="Refuse unless its report says so: 'mAP>=0.20'.")
@click.option("--on", "on_set", default="", metavar="SET", help="The labelled set of that report.")
@click.option("--keep-old", is_flag=True, help="Leave the old version served and released, under its whole key.")
@_settle
@_patience
@_registry_only
@json_option
@click.pass_obj
def release(
    suite: Suite,
    key: str,
    replicas: int | None,
    require: tuple[str, ...],
    on_set: str,
    keep_old: bool,
    settle: float,
    patience: float,
    registry_only: bool,
    as_json: bool,
) -> None:
    """Serve the model KEY in the place of its version before, without a gap.

    Its servers start beside the old ones. When they serve, <org>-<problem> finds KEY, and so does a task whose default
    was the old one; when the old one has answered what it had, its servers end and it is retired. One that does not
    come to serve changes nothing. To go back, release the old key again.

    With --require, the figures of its newest report on that set (`servoir evaluate`) must be good enough, or nothing is
    done. The registry keeps who released what on which figures: `servoir history KEY`.
    """
    demands = Demands(require, on_set)
    met = check(suite.gateway, key, demands)["met"] if demands else []
    if registry_only:
        suite.gateway.release(key, demands.body)
        report({"key": key, "tasks": [], "met": met}, f"{key} is released.", as_json=as_json)
        return
    with suite.changing():
        move = Rollout(suite, settle_s=settle, patience_s=patience).release(
            key, replicas=replicas or 0, keep_old=keep_old, demands=demands
        )
    follows = f", and so does {', '.join(move.tasks)} without a key" if move.tasks else ""
    on = f" It was accepted on {', '.join(met)}." if met else ""
    told = {"key": key, "tasks": list(move.tasks), "met": met}
    report(told, f"{problem_of(key)} finds {key}{follows}.{on}", as_json=as_json)


@click.command()
@click.argument("key", shell_complete=model_keys)
@_settle
@_patience
@_registry_only
@json_option
@click.pass_obj
def retire(suite: Suite, key: str, settle: float, patience: float, registry_only: bool, as_json: bool) -> None:
    """Let no request find the model KEY any more, and end its servers when they have answered what they have."""
    tasks = [task for task, default in suite.gateway.models()["defaults"].items() if default == key]
    if tasks:
        problem = f"{key} is the default for {', '.join(tasks)}"
        raise Stop(problem, "Release another version first, or name another default.", code=Exit.REFUSED)
    if registry_only or not suite.supervisor.runs():
        suite.gateway.retire(key)
    else:
        with suite.changing():
            Rollout(suite, settle_s=settle, patience_s=patience).retire(key)
    report({"key": key}, f"{key} is retired.", as_json=as_json)


COMMANDS = [release, retire]
