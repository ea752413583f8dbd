"""``servoir keys``: who may use the suite, for what, and how much."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

from cli.output import console, errors, json_option, print_json, print_table, report
from cli.suite import Suite

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COLUMNS = ["id", "client", "name", "models", ">rate/s", ">a day", "class", ">weight", "state"]


class Duration(click.ParamType[float]):
    """Seconds, written as ``30m``, ``12h`` or ``90d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """Return the seconds that *value* says."""
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", str(value))
        if not found:
            self.fail(f"{value!r}: say 30m, 12h or 90d", param, context)
        return float(found[1]) * _UNITS_S[found[2]]


class KeyId(click.ParamType[str]):
    """The id of a key; of a whole token, which is not to travel in an address, only that part."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        """Return the id in *value*."""
        found = re.fullmatch(r"(?:sv_)?([0-9a-z]{12})(?:_[0-9A-Za-z]+)?", str(value))
        if not found:
            self.fail("say the id that `servoir keys list` shows", param, context)
        return found[1]


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys."""


@keys.command()
@click.argument("client_id", metavar="CLIENT")
@click.option("--name", default="", help="What it is for, for those who read the list.")
@click.option("--model", "models", multiple=True, help="A model it may use, as acme-* or acme-coco; again for more.")
@click.option("--rate", "requests_per_s", default=0.0, help="Requests a second, over all gateways; 0: no limit.")
@click.option("--burst", default=0, help="Requests at once; 0: those of one second.")
@click.option("--per-day", "requests_per_day", default=0, help="Requests a day (UTC); 0: no limit.")
@click.option(
    "--class", "priority", type=click.Choice(["interactive", "batch"]), default="interactive", help="Largest."
)
@click.option("--weight", default=1.0, show_default=True, help="The client's share among those of its class.")
@click.option("--admin", is_flag=True, help="May also do what operators do.")
@click.option("--expires", type=Duration(), help="After how long it ends, as 90d.")
@json_option
@click.pass_obj
def create(suite: Suite, /, expires: float | None, as_json: bool, **terms: Any) -> None:
    """Make a key for CLIENT and print its token, which cannot be shown again."""
    document = {**terms, "expires_at_ms": round((time.time() + expires) * 1000) if expires else 0}
    _show_token(suite.gateway.create_key(document), as_json)


@keys.command("list")
@click.option("--client", default="", help="Only this client's.")
@click.option("--all", "everything", is_flag=True, help="Revoked ones too.")
@json_option
@click.pass_obj
def show(suite: Suite, client: str, everything: bool, as_json: bool) -> None:
    """List the keys, without anything secret."""
    found = [key for key in suite.gateway.keys(client) if everything or not key["revoked_at_ms"]]
    if as_json:
        print_json(found)
        return
    if not found:
        console.print("There are no keys. `servoir keys create CLIENT` makes one.")
        return
    print_table(_COLUMNS, [row_of(key, time.time() * 1000) for key in found])


@keys.command()
@click.argument("key", type=KeyId())
@json_option
@click.pass_obj
def revoke(suite: Suite, key: str, as_json: bool) -> None:
    """End the key with the id KEY for good."""
    ended = suite.gateway.revoke_key(key)
    report(ended, f"The key {key} of {ended['client_id']} is revoked.", as_json=as_json)


@keys.command()
@click.argument("key", type=KeyId())
@click.option(
    "--grace", type=Duration(), default="1d", show_default=True, help="How long the old token is still taken."
)
@json_option
@click.pass_obj
def rotate(suite: Suite, key: str, grace: float, as_json: bool) -> None:
    """Give the key with the id KEY a new token and print it; the old one is taken for a while yet."""
    _show_token(suite.gateway.rotate_key(key, grace), as_json)


def _show_token(issued: dict[str, Any], as_json: bool) -> None:
    """Print the token alone on standard output, for a variable to take, and what to know about it beside."""
    if as_json:
        print_json(issued)
        return
    console.print(issued["token"])
    about = issued["key"]
    errors.print(f"This is the token of the key {about['id']} of {about['client_id']}. It cannot be shown again.")


def row_of(key: dict[str, Any], now_ms: float) -> list[object]:
    """Return a key's line in the table."""
    rate = f"{key['requests_per_s']:g}" if key["requests_per_s"] else ""
    burst = f" ({key['burst']} at once)" if key["burst"] else ""
    return [
        key["id"],
        key["client_id"] + (" (admin)" if key["admin"] else ""),
        key["name"],
        ", ".join(key["models"]) or "all",
        rate + burst,
        key["requests_per_day"] or "",
        key["priority"],
        f"{key['weight']:g}",
        state_of(key, now_ms),
    ]


def state_of(key: dict[str, Any], now_ms: float) -> str:
    """Return whether a key can be used."""
    if key["revoked_at_ms"]:
        return f"revoked {_day(key['revoked_at_ms'])}"
    if not key["expires_at_ms"]:
        return "valid"
    ended = key["expires_at_ms"] <= now_ms
    return f"{'expired' if ended else 'until'} {_day(key['expires_at_ms'])}"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


COMMANDS = [keys]
