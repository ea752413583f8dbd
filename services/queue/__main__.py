"""``python -m services.queue``: the dispatcher, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop
from redis.exceptions import RedisError

from chassis import allocator, logs, metrics, notify
from chassis.command_line import take_no_options
from chassis.settings import BadSettings, described, load
from services.queue.connections import connect
from services.queue.dispatcher import Dispatcher
from services.queue.settings import Settings
from services.registry.client import AsyncRegistryClient, follow_leases

_LARGE_BYTES, _KEPT_BYTES = 16 * 2**20, 64 * 2**20


async def dispatch(settings: Settings) -> None:
    """Run a dispatcher until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry = AsyncRegistryClient(settings.registry_address)
    dispatcher = Dispatcher(settings, follow_leases(settings.registry_address), registry.record_usage)
    notify.ready()
    await dispatcher.run(stop)
    await registry.close()


def main() -> int:
    """Start; return the process's exit status."""
    take_no_options("services.queue", "The dispatcher: sends what waits to model servers.")
    try:
        settings = load(Settings)
    except BadSettings as error:
        print(f"servoir dispatcher: {error}", file=sys.stderr)
        return 2
    logs.configure("queue", settings.log_level)
    logs.logger().info("settings_read", **described(settings))
    try:
        with connect(settings.redis_url, most=1) as client:
            client.ping()
    except RedisError as error:
        print(
            f"servoir dispatcher: no Redis at {logs.without_password(settings.redis_url)} ({error}): "
            "start Valkey or Redis there, or give SERVOIR_REDIS_URL",
            file=sys.stderr,
        )
        return 1
    try:
        metrics.serve(settings.metrics_port, settings.metrics_host)
    except metrics.CannotShow as error:
        print(f"servoir dispatcher: {error}", file=sys.stderr)
        return 1
    allocator.keep(_KEPT_BYTES, up_to=_LARGE_BYTES)
    uvloop.run(dispatch(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
