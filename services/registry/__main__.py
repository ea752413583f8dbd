"""``python -m services.registry``: the registry as a process. Ends with 0 on SIGTERM or Ctrl-C, 1 where it cannot
start (MongoDB away, port taken), 2 for bad settings.
"""

from __future__ import annotations

import signal
import sys
import threading

from chassis import logs, metrics, notify
from chassis.command_line import take_no_options
from chassis.errors import ServoirError
from chassis.rpc_server import CannotBind
from chassis.settings import BadSettings, described, load
from services.registry.server import RegistryServer
from services.registry.settings import RegistrySettings


def main() -> int:
    """Serve until told to end; return the exit code."""
    take_no_options("services.registry", "The registry: models, their servers, keys and usage.")
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    try:
        settings = load(RegistrySettings)
        logs.configure("registry", settings.log_level)
        logs.logger().info("settings_read", **described(settings))
        server = RegistryServer(settings)
        server.start()
    except BadSettings as error:
        print(f"registry: {error}", file=sys.stderr)
        return 2
    except (ServoirError, CannotBind, metrics.CannotShow) as error:
        print(f"registry: {error}", file=sys.stderr)
        return 1
    notify.ready()
    told_to_end.wait()
    notify.stopping()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
