"""How Gunicorn runs a gateway (``python -m services.gateway``).

Predictions wait in an event loop, so that a process can hold many. One for every two cores is enough: the other cores
are for models, and each process more makes every request dearer, since less is done each time that one wakes up.
Clients of the other services are created by ``wsgi.build`` in each process: neither sockets nor gRPC survive a fork.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from chassis import logs
from chassis.cores import cores
from chassis.settings import BadSettings, described, load
from services.gateway.inheritance import inherited
from services.gateway.settings import Settings
from services.gateway.start_check import CannotStart, check_parts


class JsonLogger(Logger):  # type: ignore[misc]
    """Gunicorn's own events as lines of our log."""

    def setup(self, cfg: Any) -> None:
        """Hand Gunicorn's error log to ours; requests are logged by the application."""
        logs.configure("gateway", _settings.log_level)
        for name in ("gunicorn.error", "gunicorn.access"):
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = name == "gunicorn.error"


def _load() -> Settings:
    try:
        return load(Settings)
    except BadSettings as error:
        sys.exit(f"gateway: bad settings\n{error}")


_settings = _load()
_inherited = inherited()
_metrics_folder = (
    _settings.gateway_metrics_folder
    or _inherited.metrics_folder
    or f"{tempfile.gettempdir()}/servoir-gateway-metrics-{secrets.token_hex(8)}"
)

wsgi_app = "services.gateway.wsgi:build()"
bind = _settings.gateway_address
workers = _settings.gateway_workers or max(1, cores() // 2)
worker_class = "services.gateway.worker.Worker"
backlog = 2048
keepalive = 75
timeout = 60
asgi_lifespan = "on"
asgi_loop = "uvloop"
graceful_timeout = int(_settings.graceful_timeout_s)
logger_class = JsonLogger
control_socket_disable = True
proc_name = "servoir-gateway"
raw_env = [f"PROMETHEUS_MULTIPROC_DIR={_metrics_folder}", f"SERVOIR_GATEWAY_METRICS_FOLDER={_metrics_folder}"]


def on_starting(server: Any) -> None:
    """Say how it is set up; end at once, saying why, where a part that is needed is away.

    Where new code takes over, the gateway serves already, and is not ended by what is away now.
    """
    logs.logger().info("settings_read", **described(_settings))
    if _inherited.workers:
        return
    try:
        check_parts(_settings)
    except CannotStart as error:
        sys.exit(f"gateway: {error}")


def when_ready(server: Any) -> None:
    """Make room for the metrics, once nothing is in the way of serving: who cannot start leaves nothing behind."""
    Path(_metrics_folder).mkdir(mode=0o700, exist_ok=True)


def child_exit(server: Any, worker: Any) -> None:
    """Forget a dead process's live figures."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid, _metrics_folder)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Leave nothing behind."""
    if not _settings.gateway_metrics_folder:
        shutil.rmtree(_metrics_folder, ignore_errors=True)
