"""The programs of a suite as units of systemd: a target, a service for each part, a template for model servers. Pure.

The texts stand in ``deploy/systemd``; a program's variables go into a file that only root reads, so that no secret
stands in a unit, which everybody may read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from chassis.settings import parse_bytes
from cli.programs import MODEL_SERVER, Program
from cli.settings import ROOT

TEMPLATES = ROOT / "deploy" / "systemd"
UNITS, SETTINGS = Path("/etc/systemd/system"), Path("/etc/servoir")
FIRST_WITH_STEPS = 254
_BLANK = re.compile(r"@\{(\w+)\}")
_NOTIFY = "Type=notify\nWatchdogSec=30"
_NOTIFIES = ("registry", "dispatcher")
_AFTER = {
    "registry": "mongod",
    "dispatcher": "valkey registry",
    "jobs": "valkey registry",
    "gateway": "valkey registry dispatcher",
    "nginx": "gateway",
}
_HEADROOM = 1.1
"""A server over its cap ends itself and says so; the kernel's bound above is for one that grows too fast for that."""


class File(NamedTuple):
    """A file to write; *secret* ones are for root alone."""

    path: Path
    text: str
    secret: bool = False


@dataclass(frozen=True)
class Machine:
    """What units are written for: who runs them, where the suite's data is, and which systemd reads them."""

    user: str
    home: Path
    systemd: int
    units: Path = UNITS
    settings: Path = SETTINGS


def unit_name(program: str) -> str:
    """Return the unit of a program: ``model-acme-coco-1-0`` is servoir-model@acme-coco-1, its next one …-1:1."""
    if not program.startswith(MODEL_SERVER):
        return f"servoir-{program}.service"
    key, _, replica = program.removeprefix(MODEL_SERVER).rpartition("-")
    return f"servoir-model@{key}{'' if replica == '0' else f':{replica}'}.service"


def files(programs: Iterable[Program], machine: Machine) -> list[File]:
    """Return every file of *programs*, the target first."""
    programs = list(programs)
    servers = [program for program in programs if program.name.startswith(MODEL_SERVER)]
    parts = [program for program in programs if program not in servers]
    target = File(machine.units / "servoir.target", _filled("servoir.target", {}))
    template = [_model_template(servers[0], machine)] if servers else []
    written = [file for part in parts for file in _part(part, machine)]
    return [target, *written, *template, *(file for server in servers for file in _server(server, machine))]


def _part(program: Program, machine: Machine) -> list[File]:
    environment = machine.settings / f"{program.name}.env"
    values = {
        "name": program.name,
        "after": " ".join(f"servoir-{name}.service" for name in _AFTER.get(program.name, "").split()),
        "kind": _kind(program),
        "more": "\n".join(_more(program)),
        "command": _command(_logged(program, machine)),
        "environment": environment,
        "stop_s": program.stop_s,
        "process": _process(machine),
        "hardening": _hardening(machine, low_port=any(port < 1024 for port in program.ports)),
    }
    unit = File(machine.units / unit_name(program.name), _filled("service.template", values))
    return [unit, File(environment, _variables(program.environment), secret=True)]


def _kind(program: Program) -> str:
    if program.name == "gateway":  # Gunicorn says that it is ready, and watches its processes itself
        return "Type=notify\nNotifyAccess=main"
    return _NOTIFY if program.name in _NOTIFIES else "Type=exec"


def _more(program: Program) -> list[str]:
    if program.name in ("gateway", "nginx"):
        return ["ExecReload=/bin/kill -HUP $MAINPID"]
    if program.name == "mongod":
        return [f"ExecStartPost={_command([sys.executable, '-m', 'embedded.mongod', str(program.ports[0])])}"]
    return []


def _logged(program: Program, machine: Machine) -> list[str]:
    """Return the command of a program; nginx's has a file for its access log.

    It opens its output by name, which a journal's socket does not allow, nor a file of systemd's ``append:``, which is
    root's. A shell opens it as the services' user, who may delete it, too.
    """
    if program.name != "nginx":
        return program.command
    return ["/bin/sh", "-c", 'exec "$@" >>"$0"', f"{machine.home}/logs/nginx.log", *program.command]


def _model_template(server: Program, machine: Machine) -> File:
    values = {
        "command": _command(server.command),
        "folder": machine.settings,
        "stop_s": server.stop_s,
        "process": _process(machine),
        "hardening": _hardening(machine),
    }
    return File(machine.units / "servoir-model@.service", _filled("model.template", values))


def _server(server: Program, machine: Machine) -> list[File]:
    unit = unit_name(server.name)
    instance = unit.removeprefix("servoir-model@").removesuffix(".service")
    environment = File(machine.settings / f"model-{instance}.env", _variables(server.environment), secret=True)
    if not (cap := server.environment.get("SERVOIR_MEMORY_CAP", "")):
        return [environment]
    most = int(parse_bytes(cap) * _HEADROOM)
    text = f"# Written by `servoir install`.\n[Service]\nMemoryMax={most}\nMemorySwapMax=0\n"
    return [environment, File(machine.units / f"{unit}.d" / "memory.conf", text)]


def _process(machine: Machine) -> str:
    steps = "RestartSteps=8\nRestartMaxDelaySec=60" if machine.systemd >= FIRST_WITH_STEPS else ""
    return _filled("process.template", {"user": machine.user, "backoff": steps}).rstrip("\n")


def _hardening(machine: Machine, *, low_port: bool = False) -> str:
    capabilities = "CAP_NET_BIND_SERVICE" if low_port else ""
    return _filled("hardening.template", {"home": machine.home, "capabilities": capabilities}).rstrip("\n")


def _filled(template: str, values: Mapping[str, object]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    known = {"root": ROOT, **values}
    return _BLANK.sub(lambda blank: str(known[blank[1]]), text)


def _command(words: Iterable[str]) -> str:
    """Return a command line as systemd reads it: every word in quotes, no variables, no specifiers."""
    return " ".join(f'"{_escaped(word)}"' for word in words).replace("$", "$$").replace("%", "%%")


def _variables(values: Mapping[str, str]) -> str:
    return "".join(f'{name}="{_escaped(value)}"\n' for name, value in values.items() if value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
