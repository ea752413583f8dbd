"""Connections to a Redis, for threads: no call hangs, and nothing is sent twice."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect(url: str, *, most: int, connect_timeout_s: float, call_timeout_s: float) -> redis.Redis:
    """Return a pool of up to *most* connections, each opened when it is first needed.

    A call that finds all in use waits for one no longer than *call_timeout_s*.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=most,
        timeout=call_timeout_s,
        socket_timeout=call_timeout_s,
        **_over_network(url, connect_timeout_s),
        retry=Retry(NoBackoff(), 0),
    )
    return redis.Redis(connection_pool=pool)


def _over_network(url: str, connect_timeout_s: float) -> dict[str, Any]:
    """Return the options that a connection over a network needs; a Unix socket knows none of them."""
    if url.startswith("unix:"):
        return {}
    return {"socket_connect_timeout": connect_timeout_s, "socket_keepalive": True}
