"""What holds for every command: JSON for programs, help for people, completion for shells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import main
from tests.parts import ROOT, absent

_PRINTS_LINES = {"logs", "completion"}
"""`servoir logs` prints lines of JSON in any case, `completion` a script."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command by its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - _PRINTS_LINES))
def test_every_command_prints_json_for_programs(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_every_option_says_what_it_is(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_the_exit_codes_are_told() -> None:
    assert main.help and "Exit codes: 0 done; 1 failed; 2 wrong command line" in " ".join(main.help.split())


def servoir(*arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
    """Run the command under its own name, which completion goes by."""
    named = ["-c", "import sys; sys.argv[0] = 'servoir'; from cli.main import main; main(prog_name='servoir')"]
    command = [sys.executable, *named, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    if not shutil.which("bash"):
        absent("no bash")
    script = servoir("completion", shell)

    assert script.returncode == 0, script.stderr
    assert "_SERVOIR_COMPLETE" in script.stdout and "servoir" in script.stdout


def test_bash_itself_takes_the_script(tmp_path: Path) -> None:
    if not (bash := shutil.which("bash")):
        absent("no bash")
    script = tmp_path / "servoir.bash"
    script.write_text(servoir("completion", "bash").stdout)

    registered = subprocess.run([bash, "-c", f". {script} && complete -p servoir"], capture_output=True, text=True)

    assert registered.returncode == 0, registered.stderr
    assert "servoir" in registered.stdout


def test_the_keys_of_this_machines_models_are_completed(tmp_path: Path) -> None:
    for key in ("acme-coco-1", "acme-coco-2", "acme-lane-1"):
        (tmp_path / "store" / "models" / key).mkdir(parents=True)
    words = {"_SERVOIR_COMPLETE": "bash_complete", "COMP_WORDS": "servoir release acme-c", "COMP_CWORD": "2"}

    offered = servoir(SERVOIR_HOME=str(tmp_path), **words).stdout.split()

    assert offered == ["plain,acme-coco-1", "plain,acme-coco-2"]


def test_programs_find_nothing_but_json_on_standard_output(tmp_path: Path) -> None:
    config = tmp_path / "servoir.yaml"
    config.write_text('{"models": []}')

    answer = servoir("down", "--json", SERVOIR_HOME=str(tmp_path / "home"), SERVOIR_CONFIG=str(config))

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {"home": str(tmp_path / "home")}
    assert "stopped" in answer.stderr
