"""``servoir up``: starts the suite, and shows with a photograph that it works."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import click

from cli.answers import print_hops, print_objects
from cli.drawing import draw
from cli.errors import Exit, Stop
from cli.output import console, json_option, print_json, step
from cli.programs import Plan
from cli.suite import Suite
from demo import pictures
from demo.models import DETECTOR

_FIRST_ANSWER_S = 30.0


@click.command()
@click.option("--no-photo", is_flag=True, help="Do not send a photograph when all is up.")
@json_option
@click.pass_obj
def up(suite: Suite, no_photo: bool, as_json: bool) -> None:
    """Start the suite on this machine: what servoir.yaml says, and what it needs.

    Returns when all of it serves; the suite runs on. Again, it applies what has changed in servoir.yaml.
    """
    began = time.monotonic()
    with suite.changing():
        plan = suite.plan()
        suite.start(plan)
    for problem in suite.models.unwritten():
        console.print(f"{problem}: served as `servoir release` and `scale` left it, until servoir.yaml says otherwise.")
    if not no_photo and any(served.key == DETECTOR.key for served in plan.models):
        _show(suite)
    console.print(
        f"\n[bold green]The suite is up[/bold green] after {time.monotonic() - began:.0f} s. It answers at {plan.url}"
    )
    if as_json:
        print_json({"url": plan.url, "home": str(plan.settings.home), "models": [served.key for served in plan.models]})
    else:
        _say_what_next(plan)


def _show(suite: Suite) -> None:
    """Send a photograph through the whole chain, and show what came back."""
    photograph = pictures.path("coffee")
    annotated = suite.settings.home / "out" / "coffee.png"
    with step(f"a photograph sent: {photograph.name}"):
        _answered_at_last(suite, photograph)
    sent = time.monotonic()
    envelope = suite.gateway.predict([photograph], task="bbox", key=DETECTOR.key)
    whole_s = time.monotonic() - sent
    console.print()
    print_objects(envelope)
    console.print()
    print_hops(envelope, whole_s)
    draw(photograph, next(iter(envelope["result"].values()))["regions"], annotated)
    console.print(f"\nThe photograph with the boxes: {annotated}")


def _answered_at_last(suite: Suite, photograph: Path) -> None:
    """Return once the first answer is there: leases and models reach gateways and dispatchers within a moment."""
    until = time.monotonic() + _FIRST_ANSWER_S
    while True:
        try:
            suite.gateway.predict([photograph], task="bbox", key=DETECTOR.key)
            return
        except Stop as stop:
            if stop.code != Exit.AWAY or time.monotonic() > until:
                raise
            time.sleep(0.2)


def _say_what_next(plan: Plan) -> None:
    command = _as_called()
    console.print(f"  ask it:    curl -F image=@picture.jpg {plan.url}/api/vision/v3/predict/bbox")
    console.print(f"             {command} predict picture.jpg")
    console.print(f"  look:      {command} status, {command} logs --follow (make status, make logs)")
    console.print(f"  stop it:   {command} down (make down)")
    console.print(f"  its data:  {plan.settings.home}")


def _as_called() -> str:
    """Return how this command is called from here: by its name where that is on PATH, else by its path."""
    ours = Path(sys.executable).parent / "servoir"
    found = shutil.which("servoir")
    if found and Path(found).resolve() == ours.resolve():
        return "servoir"
    return str(ours.relative_to(Path.cwd())) if ours.is_relative_to(Path.cwd()) else str(ours)


COMMANDS = [up]
