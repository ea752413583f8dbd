"""What a process tells systemd, where that started it: that it is ready, that it ends, that it still lives.

The protocol is a datagram on the socket that ``NOTIFY_SOCKET`` names (sd_notify(3)); without it nothing is said.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress

from chassis.settings import environment

_READY, _STOPPING, _ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def ready(environ: Mapping[str, str] | None = None) -> None:
    """Say that the process serves; from now on a thread says that it lives, as often as it is asked to.

    The thread shares the interpreter with all others: it falls silent where none of them gets on.
    """
    told = environment() if environ is None else environ
    _say(_READY, told)
    if interval_s := watchdog_s(told):
        threading.Thread(target=_keep_saying, args=(interval_s, told), name="watchdog", daemon=True).start()


def stopping(environ: Mapping[str, str] | None = None) -> None:
    """Say that the process finishes what it has, and ends."""
    _say(_STOPPING, environment() if environ is None else environ)


def watchdog_s(environ: Mapping[str, str]) -> float:
    """Return how often to say that the process lives: three times in the time it is given; 0: never."""
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 3e6 if text.isdigit() else 0.0


def _keep_saying(interval_s: float, environ: Mapping[str, str]) -> None:
    pause = threading.Event()
    while not pause.wait(interval_s):
        _say(_ALIVE, environ)


def _say(state: str, environ: Mapping[str, str]) -> None:
    if not (address := environ.get("NOTIFY_SOCKET", "")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way, suppress(OSError):  # systemd sees the silence
        way.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
