"""What a shell completes after `servoir …` that only this machine knows: the keys of the models in its store."""

from __future__ import annotations

import click

from chassis.settings import BadSettings, load
from cli.settings import Settings


def model_keys(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """Return the keys in the store that start with what is typed; nothing is asked of the suite, and nothing fails."""
    try:
        folder = load(Settings).home / "store" / "models"
    except BadSettings:
        return []
    return sorted(path.name for path in folder.glob(f"{begun}*") if not path.name.startswith("."))
