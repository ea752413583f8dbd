"""Connections to Redis: each call fails within a second when it is away or paused, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import OutOfMemoryError, RedisError

from chassis import redis_pool
from chassis.errors import TooBusy, Unavailable

CONNECT_TIMEOUT_S = 0.4
CALL_TIMEOUT_S = 0.8
RETRY_AFTER_S = 1.0


def connect(url: str, *, most: int, call_timeout_s: float = CALL_TIMEOUT_S) -> redis.Redis:
    """Return a pool of up to *most* connections for threads, each opened when it is first needed."""
    return redis_pool.connect(url, most=most, connect_timeout_s=CONNECT_TIMEOUT_S, call_timeout_s=call_timeout_s)


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable where Redis is away, and TooBusy where it is full."""
    try:
        yield
    except OutOfMemoryError as error:
        raise TooBusy("the queue's memory is full", retry_after_s=RETRY_AFTER_S) from error
    except RedisError as error:
        raise Unavailable("the queue is away", retry_after_s=RETRY_AFTER_S) from error
