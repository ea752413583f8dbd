"""Metrics: Prometheus counters, gauges and histograms, and the port that shows them.

Names are ``servoir_<service>_<what>_<unit>``, base units only (seconds, bytes), counters end in ``_total``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from socketserver import ThreadingMixIn
from typing import Any, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec
from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.metrics import MetricWrapperBase

__all__ = ["BATCH_BUCKETS", "CannotShow", "Counter", "Gauge", "Histogram", "SECONDS_BUCKETS", "each", "serve"]

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
Page = Callable[[], object]
Metric = TypeVar("Metric", bound=MetricWrapperBase)
_LABEL_SETS = 4096


class CannotShow(OSError):
    """The port of the metrics is taken, or the address none of this machine's; the text says what to do."""

    def __init__(self, error: OSError, host: str, port: int) -> None:
        super().__init__(error.errno, error.strerror)
        self._place = f"{host}:{port}"

    def __str__(self) -> str:
        return (
            f"cannot show metrics on {self._place}: {self.strerror}: "
            "end what is there, or give SERVOIR_METRICS_PORT (0: show none) or SERVOIR_METRICS_HOST"
        )


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: object) -> None:
        """Say nothing: whoever collects figures comes every few seconds."""


def each(metric: Metric) -> Callable[..., Metric]:
    """Return ``metric.labels`` that looks each set of labels up once: a look-up costs as much as the count itself.

    It is not for those whose label sets are removed again.
    """
    return lru_cache(maxsize=_LABEL_SETS)(metric.labels)


def serve(port: int, host: str = "127.0.0.1", *, pages: Mapping[str, Page] | None = None) -> None:
    """Show this process's metrics at ``http://host:port/metrics``; port 0 shows them nowhere.

    Each of *pages* is what its path answers, as JSON. Raises CannotShow where the port is taken.
    """
    if port:
        try:
            server = make_server(host, port, _application(pages or {}), _Server, _Quiet)
        except OSError as error:
            raise CannotShow(error, host, port) from error
        # A child that outlives this process must not keep the port from whoever comes in its place.
        os.register_at_fork(after_in_child=server.socket.close)
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _application(pages: Mapping[str, Page]) -> Any:
    figures: Callable[..., Iterable[bytes]] = make_wsgi_app()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return figures(environ, start_response)
        page = pages.get(path)
        start_response("200 OK" if page else "404 Not Found", [("Content-Type", "application/json")])
        return [msgspec.json.encode(page() if page else {"error": "nothing is served here but /metrics"})]

    return answer
