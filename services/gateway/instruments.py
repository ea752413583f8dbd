"""What a gateway measures of itself; shown at /metrics, summed over its processes."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.metrics import SECONDS_BUCKETS, Counter, Histogram
from services.gateway.envelope import Outcome

REQUESTS = Counter("servoir_gateway_requests_total", "Requests answered", ["route", "status"])
SECONDS = Histogram(
    "servoir_gateway_request_seconds", "From a request's headers to its answer", ["route"], buckets=SECONDS_BUCKETS
)
IMAGES = Counter("servoir_gateway_images_total", "Images answered, each with its own status", ["model", "status"])
BYTES = Counter("servoir_gateway_image_bytes_total", "Bytes of images received", ["model"])


def count_images(model_key: str, outcomes: Sequence[Outcome]) -> None:
    """Count what came of the images of one request."""
    for outcome in outcomes:
        status = outcome.problem.status if outcome.problem else 200
        IMAGES.labels(model_key, str(status)).inc()
    BYTES.labels(model_key).inc(sum(outcome.size_bytes for outcome in outcomes))


def count_request(route: str, status: int, seconds: float) -> None:
    """Count one request."""
    REQUESTS.labels(route, str(status)).inc()
    SECONDS.labels(route).observe(seconds)
