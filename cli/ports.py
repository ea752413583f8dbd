"""Whether the ports of a suite are free, and who holds those that are not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

import psutil

from cli.errors import Exit, Stop
from cli.programs import Program


def check_free(programs: Iterable[Program]) -> None:
    """Raise Stop naming every port of *programs* (which do not run) that is taken, and by whom."""
    taken = [(program, port) for program in programs for port in program.ports if not is_free(port)]
    if taken:
        lines = [f"port {port} (for {program.name}) is taken by {holder(port)}" for program, port in taken]
        advice = "End that process, or choose other ports: `ports:` in servoir.yaml, or SERVOIR_HTTP_PORT and the like."
        raise Stop("\n".join(lines), advice, code=Exit.NOT_READY)


def is_free(port: int) -> bool:
    """Return whether a server could listen on 127.0.0.1:*port* now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                return False
            return error.errno != errno.EADDRINUSE
    return True


def holder(port: int) -> str:
    """Return who listens on *port*, in words; another user's process cannot always be seen."""
    if port < 1024 and not _listeners(port):
        return "the system: ports below 1024 need root"
    for pid in _listeners(port):
        try:
            process = psutil.Process(pid)
            return f"process {pid} ({' '.join(process.cmdline())[:120] or process.name()}) of {process.username()}"
        except psutil.Error:
            return f"process {pid}"
    return "a process of another user"


def _listeners(port: int) -> list[int]:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    return [
        connection.pid
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
        and connection.pid
        and connection.laddr
        and connection.laddr[1] == port
    ]
