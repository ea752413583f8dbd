"""What a gateway measures of itself; shown at /metrics, summed over its processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

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
_FAILURES = (500, 503, 504)


def count_images(model_key: str, outcomes: Sequence[Outcome]) -> None:
    """Count what came of the images of one request."""
    _begin_model(model_key)
    for outcome in outcomes:
        _images(model_key, outcome.problem.status if outcome.problem else 200).inc()
    _bytes(model_key).inc(sum(outcome.size_bytes for outcome in outcomes))


def count_request(route: str, status: int, seconds: float) -> None:
    """Count one request."""
    _begin_route(route)
    _seconds(route, status).observe(seconds)


# What fails is shown from 0 on as soon as its route, or its model, is used: alerts look for increases, and one that
# nothing stood before is not seen.


@lru_cache(maxsize=4096)
def _begin_model(model_key: str) -> None:
    for status in _FAILURES:
        _images(model_key, status)


@lru_cache(maxsize=4096)
def _begin_route(route: str) -> None:
    for status in _FAILURES:
        _seconds(route, status)


_images, _bytes, _seconds = each(IMAGES), each(BYTES), each(SECONDS)
