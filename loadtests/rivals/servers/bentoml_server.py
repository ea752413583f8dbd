"""BentoML: a process for each worker, each with its HTTP server and its own batches.

Run by BentoML itself: ``bentoml serve loadtests.rivals.servers.bentoml_server:Pictures``. Its batcher has no wait to be
set: it learns one, within the latency that it may take.
"""
# mypy: ignore-errors

from __future__ import annotations

import math
from pathlib import Path

import bentoml

from loadtests.rivals.model import Model
from loadtests.rivals.settings import ROUTE, told

_TOLD = told()
_EACH = math.ceil(_TOLD.rival_queue_limit / _TOLD.rival_workers)
_BATCHES = {
    "batchable": True,
    "max_batch_size": _TOLD.rival_batch_size,
    "max_latency_ms": int(1000 * _TOLD.rival_timeout_s),
}


@bentoml.service(
    workers=_TOLD.rival_workers,
    traffic={"timeout": _TOLD.rival_timeout_s, "max_concurrency": _EACH},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Pictures:
    """Runs the model."""

    def __init__(self) -> None:
        self._model = Model(_TOLD.rival_model, threads=_TOLD.rival_threads, batch_size=_TOLD.rival_batch_size)

    @bentoml.api(route=f"/{ROUTE}", **(_BATCHES if _TOLD.rival_batch_size > 1 else {}))
    def predict(self, image: list[Path]) -> list[str]:
        """Answer a batch that BentoML formed of several requests, or one of them; files come as files."""
        return [answer.decode() for answer in self._model([path.read_bytes() for path in image])]
