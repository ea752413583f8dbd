"""gRPC channels as every client opens them, and a failed call turned back into the error that the server raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

from chassis.errors import ServoirError, error_for
from chassis.rpc_server import ERROR_NAME, MAX_MESSAGE_BYTES, RETRY_AFTER

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
]


def channel(address: str) -> grpc.Channel:
    """Return a channel to ``host:port``; it connects by itself, and again after a loss. Open it after a fork."""
    return grpc.insecure_channel(address, options=OPTIONS)


def aio_channel(address: str) -> grpc.aio.Channel:
    """Return the same for asyncio."""
    return grpc.aio.insecure_channel(address, options=OPTIONS)


def error_of(failure: grpc.RpcError) -> ServoirError:
    """Return the error that *failure* stands for: the server's own class where it sent its name."""
    call: Any = failure
    metadata = dict(call.trailing_metadata() or ())
    retry_after = metadata.get(RETRY_AFTER)
    return error_for(
        call.code(),
        call.details() or "",
        name=str(metadata.get(ERROR_NAME, "")),
        retry_after_s=float(retry_after) if retry_after else None,
    )


@contextmanager
def told() -> Iterator[None]:
    """Raise what a call inside fails with as the ServoirError that it stands for."""
    try:
        yield
    except grpc.RpcError as failure:
        raise error_of(failure) from failure
