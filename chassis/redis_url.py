"""What the address of a Redis says about how to connect to it."""

from __future__ import annotations

from typing import Any


def over_network(url: str, *, connect_timeout_s: float) -> dict[str, Any]:
    """Return the options of redis-py that a connection over a network needs; a Unix socket knows none of them."""
    if url.startswith("unix:"):
        return {}
    return {"socket_connect_timeout": connect_timeout_s, "socket_keepalive": True}
