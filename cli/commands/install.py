"""``servoir install``: the suite as services of systemd, which start when the machine does."""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from chassis.settings import PREFIX, environment, kinds_of
from cli.errors import Exit, Stop
from cli.output import console, json_option, print_json
from cli.programs import Plan, Program, programs
from cli.settings import Ports, Settings
from cli.suite import Suite
from cli.units import FIRST_WITH_STEPS, SETTINGS, UNITS, File, Machine, files, unit_name
from embedded import Missing


@click.command()
@click.option("--user", default="", help="Who runs the services; whoever calls this, if not root.")
@click.option("--units", type=click.Path(path_type=Path), default=UNITS, show_default=True, help="Folder of the units.")
@click.option(
    "--settings", type=click.Path(path_type=Path), default=SETTINGS, show_default=True, help="Folder of the variables."
)
@click.option("--dry-run", is_flag=True, help="Show the files and write none of them.")
@json_option
@click.pass_obj
def install(suite: Suite, user: str, units: Path, settings: Path, dry_run: bool, as_json: bool) -> None:
    """Write units of systemd for what servoir.yaml says: a target, a service for each part, one for each model server.

    What is in the units' folder already is replaced, and model servers that servoir.yaml no longer has are removed.
    Nothing is started. The secrets among the variables are for root to read.
    """
    machine = Machine(_user(user), suite.settings.home, _systemd(), units, settings)
    plan = suite.plan()
    try:
        wanted = [_with_ours(program, environment()) for program in programs(plan)]
    except Missing as missing:
        raise Stop(str(missing), "Then install again.", code=Exit.NOT_READY) from missing
    written = files(wanted, machine)
    gone = _gone(written, machine)
    if not dry_run:
        suite.get_models()
        suite.prepare(plan, wanted)
        _write(written, gone, machine)
    if as_json:
        print_json({"written": {str(file.path): "" if file.secret else file.text for file in written}, "removed": gone})
    elif dry_run:
        _show(written, gone)
    else:
        console.print(f"{len(written)} files are written, {len(gone)} removed.")
        _say_what_next([unit_name(program.name) for program in wanted], plan)


def _with_ours(program: Program, told: Mapping[str, str]) -> Program:
    """Return one of our services with the settings that this command was *told*, which it would inherit from `up`."""
    if program.command[0] != sys.executable:
        return program
    own = {*kinds_of(Settings), *kinds_of(Ports)}
    inherited = {name: text for name, text in told.items() if name.startswith(PREFIX) and name not in own}
    return replace(program, environment={**inherited, **program.environment})


def _user(given: str) -> str:
    """Return who is to run the services; raises Stop where that would be root."""
    user = given or getpass.getuser()
    if user == "root":
        raise Stop(
            "the services must not run as root",
            "`useradd --system --home-dir /var/lib/servoir servoir`, then `servoir install --user servoir`.",
        )
    return user


def _systemd() -> int:
    """Return the version of this machine's systemd; 0 where there is none."""
    if not (binary := shutil.which("systemctl")):
        return 0
    said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"systemd (\d+)", said)
    return int(found[1]) if found else FIRST_WITH_STEPS


def _gone(written: list[File], machine: Machine) -> list[str]:
    """Return the files of model servers that are there and no longer wanted."""
    wanted = {file.path for file in written}
    there = [*machine.units.glob("servoir-model@*.service.d/memory.conf"), *machine.settings.glob("model-*.env")]
    return sorted(str(path) for path in there if path not in wanted)


def _write(written: list[File], gone: list[str], machine: Machine) -> None:
    for file in written:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.path.touch(mode=0o600 if file.secret else 0o644)
        file.path.write_text(file.text, encoding="utf-8")
    for path in gone:
        Path(path).unlink()
    (machine.home / "logs").mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _hand_over(machine)


def _hand_over(machine: Machine) -> None:
    """Give the suite's data to who runs it: links themselves and never what they lead to, for that user makes them."""
    try:
        user = pwd.getpwnam(machine.user).pw_uid
    except KeyError as error:
        advice = f"`useradd --system --home-dir {machine.home} {machine.user}`, then install again."
        raise Stop(f"there is no user {machine.user}", advice) from error
    for _, _, names, folder in os.fwalk(machine.home):
        os.chown(folder, user, -1)
        for name in names:
            os.chown(name, user, -1, dir_fd=folder, follow_symlinks=False)


def _show(written: list[File], gone: list[str]) -> None:
    for file in written:
        console.print(f"[bold]{file.path}[/bold]" + (" (for root alone)" if file.secret else ""))
        text = re.sub(r'(?m)^(\w+)=".*"$', r"\1=…", file.text) if file.secret else file.text
        console.print(text, markup=False)
    for path in gone:
        console.print(f"removed: {path}")


def _say_what_next(units: list[str], plan: Plan) -> None:
    console.print("  start it now, and with the machine:")
    console.print(f"    systemctl daemon-reload && systemctl enable --now servoir.target {' '.join(units)}")
    console.print("  then, once, tell the registry of the models:")
    for served in reversed(plan.models):  # of two with one task, the first is to be the default
        console.print(f"    servoir publish {served.folder} --release{' --default' if served.entry.default else ''}")
    console.print("  look: systemctl list-units 'servoir*', journalctl -u 'servoir*' -f")


COMMANDS = [install]
