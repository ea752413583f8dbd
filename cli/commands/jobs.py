"""``servoir jobs``: asynchronous predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.answers import print_objects
from cli.errors import Exit
from cli.output import console, print_json, readable_seconds
from cli.suite import Suite

_TASKS = ("bbox", "polygon", "lane", "classify")


@click.group()
def jobs() -> None:
    """Predict without waiting: submit pictures, look for the answer later, or cancel what waits."""


@jobs.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", "key", default="", help="The model's key; without it, the default of the task answers.")
@click.option("--task", type=click.Choice(_TASKS), default="bbox", show_default=True, help="What is asked.")
@click.option("--timeout", "timeout_s", type=float, default=0.0, help="The deadline in seconds; ten minutes.")
@click.pass_obj
def submit(suite: Suite, images: tuple[Path, ...], key: str, task: str, timeout_s: float) -> None:
    """Submit IMAGES as one job, and print its id."""
    click.echo(suite.gateway.submit(images, task=task, key=key, timeout_s=timeout_s))


@jobs.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(suite: Suite, job: str, as_json: bool) -> None:
    """Show how JOB is doing, and at its end what was found."""
    told = suite.gateway.job(job)
    if as_json:
        print_json(told)
    else:
        _print(told)
    if told["state"] in ("failed", "cancelled"):
        raise SystemExit(Exit.FAILED)


@jobs.command()
@click.argument("job")
@click.pass_obj
def cancel(suite: Suite, job: str) -> None:
    """Cancel what waits of JOB; what runs already is let finish."""
    _print(suite.gateway.cancel(job))


def _print(told: dict[str, Any]) -> None:
    console.print(line_of(told))
    if "answer" in told:
        print_objects(told["answer"])


def line_of(told: dict[str, Any]) -> str:
    """Return how a job is doing, in a line."""
    if "place" in told:
        left = f", about {readable_seconds(told['left_s'])} left" if "left_s" in told else ""
        return f"{told['state']}: place {told['place']} in the queue{left}"
    if "problem" in told:
        return f"{told['state']}: {told['problem']['detail']}"
    if "answer" in told:
        return str(told["state"])
    return f"{told['state']}: {told['images']['answered']} answered, {told['images']['running']} running"


COMMANDS = [jobs]
