"""``servoir quarantine``: inputs that ended their model server, or failed, each time they were tried."""

from __future__ import annotations

from pathlib import Path

import click

from cli.completions import model_keys
from cli.errors import Exit
from cli.output import console, json_option, print_json, print_table, readable_bytes, report
from cli.suite import Suite


@click.group()
def quarantine() -> None:
    """Look at inputs that a model was given up on; try them again, save or drop them."""


@quarantine.command("list")
@click.argument("key", shell_complete=model_keys)
@json_option
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
@click.argument("key", shell_complete=model_keys)
@click.argument("item")
@click.argument("file", type=click.Path(path_type=Path, exists=False))
@json_option
@click.pass_obj
def save(suite: Suite, key: str, item: str, file: Path, as_json: bool) -> None:
    """Write the bytes of ITEM, as they were sent, to FILE. They ended a model server: open them with care."""
    file.write_bytes(suite.gateway.quarantined_payload(key, item))
    report({"item": item, "file": str(file)}, f"{item} is in {file}", as_json=as_json)


@quarantine.command()
@click.argument("key", shell_complete=model_keys)
@click.argument("item")
@json_option
@click.pass_obj
def replay(suite: Suite, key: str, item: str, as_json: bool) -> None:
    """Run ITEM once more; if it is answered now, it leaves the quarantine."""
    answer = suite.gateway.replay(key, item)
    words = f"{item} was answered, and has left the quarantine."
    if not answer["answered"]:
        words = f"{item} failed again: {answer['problem'].get('detail', '')}"
    report(answer, words, as_json=as_json)
    if not answer["answered"]:
        raise SystemExit(Exit.FAILED)


@quarantine.command()
@click.argument("key", shell_complete=model_keys)
@click.argument("item", required=False, default="")
@click.option("--yes", is_flag=True, help="Do not ask before dropping all.")
@json_option
@click.pass_obj
def drop(suite: Suite, key: str, item: str, yes: bool, as_json: bool) -> None:
    """Remove ITEM, or all that the model KEY was given up on."""
    if not item and not yes:
        click.confirm(f"Drop everything in the quarantine of {key}?", abort=True)
    dropped = suite.gateway.drop(key, item)
    report({"dropped": dropped}, f"dropped: {dropped}", as_json=as_json)


COMMANDS = [quarantine]
