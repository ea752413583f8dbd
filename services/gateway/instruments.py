"""What a gateway measures of itself; shown at /metrics, summed over its processes."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.metrics import SECONDS_BUCKETS, Counter, Histogram, each
from services.gateway.envelope import Outcome

SECONDS = Histogram(
    "servoir_gateway_request_seconds",
    "From a request's headers to its answer",
    ["route", "status"],
    buckets=SECONDS_BUCKETS,
)
IMAGES = Counter("servoir_gateway_images_total", "Images answered, each with its own status", ["model", "status"])
BYTES = Counter("servoir_gateway_image_bytes_total", "Bytes of images received", ["model"])


def count_images(model_key: str, outcomes: Sequence[Outcome]) -> None:
    """Count what came of the images of one request."""
    for outcome in outcomes:
        _images(model_key, outcome.problem.status if outcome.problem else 200).inc()
    _bytes(model_key).inc(sum(outcome.size_bytes for outcome in outcomes))


def count_request(route: str, status: int, seconds: float) -> None:
    """Count one request."""
    _seconds(route, status).observe(seconds)


_images, _bytes, _seconds = each(IMAGES), each(BYTES), each(SECONDS)
