"""Metrics: Prometheus counters, gauges and histograms, and the port that shows them.

Names are ``servoir_<service>_<what>_<unit>``, base units only (seconds, bytes), counters end in ``_total``.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, start_http_server

__all__ = ["BATCH_BUCKETS", "Counter", "Gauge", "Histogram", "SECONDS_BUCKETS", "serve"]

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)


def serve(port: int, host: str = "127.0.0.1") -> None:
    """Show this process's metrics at ``http://host:port/metrics``; port 0 shows them nowhere."""
    if port:
        start_http_server(port, addr=host)
