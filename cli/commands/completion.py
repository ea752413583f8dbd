"""``servoir completion``: what a shell needs to complete this command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_HOW = {
    "bash": "servoir completion bash > /etc/bash_completion.d/servoir",
    "zsh": "servoir completion zsh > ~/.zfunc/_servoir, with that folder in fpath before compinit",
    "fish": "servoir completion fish > ~/.config/fish/completions/servoir.fish",
}


@click.command(epilog="  ".join(f"{shell}: {how}." for shell, how in _HOW.items()))
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes commands, options and the keys of this machine's models.

    For this session alone: eval "$(servoir completion bash)".
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "servoir", "_SERVOIR_COMPLETE").source())


COMMANDS = [completion]
