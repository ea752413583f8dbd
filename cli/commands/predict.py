"""``servoir predict``: asks a model about pictures."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cli.answers import print_hops, print_objects
from cli.completions import model_keys
from cli.drawing import draw
from cli.errors import Stop
from cli.output import console, json_option, print_json
from cli.suite import Suite

_TASKS = ("bbox", "polygon", "lane", "classify")


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    "key",
    default="",
    shell_complete=model_keys,
    help="The model's key; without it, the default of the task answers.",
)
@click.option("--task", type=click.Choice(_TASKS), help="What is asked; the model's own task, or bbox.")
@click.option("--timeout", "timeout_s", type=float, default=0.0, help="The deadline in seconds.")
@click.option("--draw", "folder", type=click.Path(path_type=Path), help="Write the pictures with what was found here.")
@json_option
@click.pass_obj
def predict(
    suite: Suite,
    images: tuple[Path, ...],
    key: str,
    task: str | None,
    timeout_s: float,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Send IMAGES to a model, and show what it finds."""
    asked = task or _task_of(suite, key)
    gateway = suite.gateway
    sent = time.monotonic()
    envelope = gateway.predict(images, task=asked, key=key, timeout_s=timeout_s)
    whole_s = time.monotonic() - sent
    if folder is not None:
        for image, file in zip(images, envelope["result"].values(), strict=True):
            draw(image, file["regions"], folder / image.with_suffix(".png").name)
    if as_json:
        print_json(envelope)
        return
    print_objects(envelope)
    console.print()
    print_hops(envelope, whole_s)


def _task_of(suite: Suite, key: str) -> str:
    """Return the task of the model *key*, which may lack its release."""
    if not key:
        return "bbox"
    for model in suite.gateway.models()["models"]:
        if f"{model['org_name']}-{model['problem_id']}-{model['rel_num']}".startswith(key):
            return str(model["task"])
    raise Stop(f"no such model: {key}", "`servoir models` lists what there is.")


COMMANDS = [predict]
