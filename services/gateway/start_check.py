"""Whether a gateway has what it needs before it starts: a missing part is an error at once, not at every request."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from chassis import logs
from chassis.errors import Unavailable
from services.gateway.settings import Settings
from services.queue.client import QueueOperator


class CannotStart(Exception):
    """A part that the gateway needs is away; the text names its address and what to do."""


def check_parts(settings: Settings) -> None:
    """Return once Redis and the registry answer; raise CannotStart when one does not within ``start_timeout_s``.

    The registry is only connected to: a gRPC channel must not be open when Gunicorn forks.
    """
    until = time.monotonic() + settings.start_timeout_s
    _await(_redis, settings.redis_url, until, _NO_REDIS)
    _await(_tcp, settings.registry_address, until, _NO_REGISTRY)


_NO_REDIS = "no Redis at {}: start it (`make up` does), or name another with SERVOIR_REDIS_URL"
_NO_REGISTRY = (
    "no registry at {}: start it (`python -m services.registry`), or name another with SERVOIR_REGISTRY_ADDRESS"
)


def _await(answers: Callable[[str], bool], where: str, until: float, otherwise: str) -> None:
    while not answers(where):
        if time.monotonic() > until:
            raise CannotStart(otherwise.format(logs.without_password(where)))
        time.sleep(0.2)


def _redis(url: str) -> bool:
    operator = QueueOperator(url)
    try:
        operator.models()
    except Unavailable:
        return False
    finally:
        operator.close()
    return True


def _tcp(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False
