"""Waiting for a program to serve, and giving up with its last words when it does not."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import httpx

from cli.errors import Exit, Stop
from cli.figures import read_figures
from cli.supervision import Supervisor

Condition = Callable[[], object]
_PAUSE_S = 0.1
_MOST_FALLS = 3
_LAST_WORDS = 6


def wait_for(supervisor: Supervisor, name: str, serves: Condition, *, timeout_s: float) -> None:
    """Return once *serves* holds for the program *name*.

    Raises Stop with the end of the program's log when it has ended a few times, or when *timeout_s* is over.
    """
    until = time.monotonic() + timeout_s
    seen, falls = 0, 0
    while not serves():
        process = supervisor.process(name)
        if process.pid not in (0, seen):
            seen, falls = process.pid, falls + 1
        ended = process.state in ("BACKOFF", "FATAL", "EXITED")
        if (ended and falls >= _MOST_FALLS) or process.state == "FATAL":
            raise Stop(
                f"{name} does not start:\n{last_words(supervisor, name)}",
                _advice(supervisor, name),
                code=Exit.NOT_READY,
            )
        if time.monotonic() > until:
            problem = f"{name} does not serve after {timeout_s:.0f} s:\n{last_words(supervisor, name)}"
            raise Stop(problem, _advice(supervisor, name), code=Exit.NOT_READY)
        time.sleep(_PAUSE_S)


def listens(port: int) -> bool:
    """Return whether something accepts connections on 127.0.0.1:*port*."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def redis_answers(port: int) -> bool:
    """Return whether a Redis or Valkey on *port* has loaded its data and takes orders."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def http_answers(url: str) -> bool:
    """Return whether GET *url* is answered with 200."""
    try:
        return httpx.get(url, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def model_is_served(metrics_port: int) -> bool:
    """Return whether the model server with this metrics port is loaded, warm, and takes batches."""
    return read_figures(metrics_port).get("servoir_model_server_ready") == 1.0


def last_words(supervisor: Supervisor, name: str) -> str:
    """Return the last lines that the program wrote."""
    try:
        lines = supervisor.log_file(name).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(it has written nothing)"
    return "\n".join(f"  {_shortened(line)}" for line in lines[-_LAST_WORDS:])


def _shortened(line: str) -> str:
    """Return a JSON line's event and what else it says, without what every line has."""
    try:
        event = json.loads(line)
    except ValueError:
        return line[:300]
    if not isinstance(event, dict):
        return line[:300]
    rest = [f"{name}={value}" for name, value in event.items() if name not in ("time", "service", "level", "event")]
    return " ".join([str(event.get("event", "")), *rest])[:300]


def _advice(supervisor: Supervisor, name: str) -> str:
    return (
        f"Its whole log: {supervisor.log_file(name)}. `servoir doctor` looks for causes; `servoir down` stops the rest."
    )
