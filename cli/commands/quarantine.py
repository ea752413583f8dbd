"""``servoir quarantine``: inputs that ended their model server, or failed, each time they were tried."""

from __future__ import annotations

from pathlib import Path

import click

from cli.errors import Exit
from cli.output import console, print_json, print_table, readable_bytes
from cli.suite import Suite


@click.group()
def quarantine() -> None:
    """Look at inputs that a model was given up on; try them again, save or drop them."""


@quarantine.command("list")
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(suite: Suite, key: str, as_json: bool) -> None:
    """List what the model KEY was given up on, newest first."""
    items = suite.gateway.quarantine(key)
    if as_json:
        print_json(items)
        return
    if not items:
        console.print(f"Nothing is in the quarantine of {key}.")
        return
    rows = [
        (item["id"], item["since"], item["request_id"], readable_bytes(item["bytes"]), len(item["failures"]))
        for item in items
    ]
    print_table(["item", "since", "request", ">size", ">failures"], rows)


@quarantine.command()
@click.argument("key")
@click.argument("item")
@click.argument("file", type=click.Path(path_type=Path, exists=False))
@click.pass_obj
def save(suite: Suite, key: str, item: str, file: Path) -> None:
    """Write the bytes of ITEM, as they were sent, to FILE. They ended a model server: open them with care."""
    file.write_bytes(suite.gateway.quarantined_payload(key, item))
    console.print(f"{item} is in {file}")


@quarantine.command()
@click.argument("key")
@click.argument("item")
@click.pass_obj
def replay(suite: Suite, key: str, item: str) -> None:
    """Run ITEM once more; if it is answered now, it leaves the quarantine."""
    answer = suite.gateway.replay(key, item)
    if not answer["answered"]:
        console.print(f"{item} failed again: {answer['problem'].get('detail', '')}")
        raise SystemExit(Exit.FAILED)
    console.print(f"{item} was answered, and has left the quarantine.")


@quarantine.command()
@click.argument("key")
@click.argument("item", required=False, default="")
@click.option("--yes", is_flag=True, help="Do not ask before dropping all.")
@click.pass_obj
def drop(suite: Suite, key: str, item: str, yes: bool) -> None:
    """Remove ITEM, or all that the model KEY was given up on."""
    if not item and not yes:
        click.confirm(f"Drop everything in the quarantine of {key}?", abort=True)
    console.print(f"dropped: {suite.gateway.drop(key, item)}")


COMMANDS = [quarantine]
