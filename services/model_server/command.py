"""The command of a model server: its options, its signals, and the exit code that it ends with.

Every option stands over its variable (``--memory-cap`` over SERVOIR_MEMORY_CAP); exits.py has the exit codes.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from chassis import logs
from chassis.metrics import CannotShow
from chassis.rpc_server import CannotBind
from chassis.settings import BadSettings, described, load, parse_bytes
from services.model_server import machine
from services.model_server.exits import CannotServe, Exit
from services.model_server.replica import State
from services.model_server.server import ModelServer
from services.model_server.settings import TUNE_MODES, ModelServerSettings

log = logs.logger()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m services.model_server", description="Serve one model over gRPC.")
    parser.add_argument("--model", type=Path, help="the model's folder")
    parser.add_argument("--address", help="host:port to serve on")
    parser.add_argument("--registry", dest="registry_address", help="the registry's host:port; empty: no lease")
    parser.add_argument("--metrics-port", type=int)
    parser.add_argument("--memory-cap", type=parse_bytes, help="2GiB …")
    parser.add_argument("--device-memory-cap", type=parse_bytes)
    parser.add_argument("--max-batch-size", type=int)
    parser.add_argument("--tune", choices=TUNE_MODES)
    parser.add_argument("--batch-size", type=int, help="with --tune off")
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--threads", type=int)
    return parser.parse_args(arguments)


def _drain_on_signals(server: ModelServer) -> None:
    """Let signals drain *server*; while it loads there is nothing to finish, and it ends where it is."""

    def drain(*_: object) -> None:
        server.replica.drain_asked.set()
        if server.replica.state is State.LOADING:
            sys.exit(Exit.DRAINED)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, drain)


def main(arguments: Sequence[str]) -> Exit:
    """Serve, and return what the process is to exit with."""
    try:
        settings = load(ModelServerSettings, **vars(_options(arguments)))
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return Exit.BAD_SETTINGS
    machine.give_way(settings.nice)
    logs.configure("model_server", settings.log_level)
    log.info("settings_read", **described(settings))
    try:
        server = ModelServer(settings)
        _drain_on_signals(server)
        return server.run()
    except SystemExit:
        log.info("ended_while_loading", model=str(settings.model))
        return Exit.DRAINED
    except (CannotBind, CannotShow) as error:
        log.error("cannot_bind", reason=str(error), exit_code=int(Exit.CANNOT_BIND))
        return Exit.CANNOT_BIND
    except CannotServe as error:
        log.error("cannot_serve", model=str(settings.model), reason=str(error), exit_code=int(error.code))
        return error.code
