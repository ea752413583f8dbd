"""Counts of the requests that came by the Open Inference Protocol, as Triton's clients read them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from chassis.errors import ServoirError
from chassis.rpc import inference_pb2 as pb
from services.model_server.pipeline import Done

_NS = 1e9


class InferenceStatistics:
    """Sums since the start. Thread-safe. *now* is the Unix time in seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._total = pb.ModelStatistics()

    def count(self, done: Sequence[Done]) -> None:
        """Count one request by what came of its items."""
        failed = any(isinstance(item.answer, ServoirError) for item in done)
        waited, inferred = max(item.wait_s for item in done), max(item.infer_s for item in done)
        decoded, read = sum(item.decode_s for item in done), sum(item.postprocess_s for item in done)
        with self._lock:
            sums = self._total.inference_stats
            _add(sums.fail if failed else sums.success, waited + inferred + decoded + read)
            if failed:
                return
            self._total.last_inference = int(self._now() * 1000)
            self._total.inference_count += len(done)
            self._total.execution_count += 1
            for duration, seconds in (
                (sums.queue, waited),
                (sums.compute_input, decoded),
                (sums.compute_infer, inferred),
                (sums.compute_output, read),
            ):
                _add(duration, seconds)

    def of(self, name: str, version: str) -> pb.ModelStatistics:
        """Return the sums under *name*."""
        copy = pb.ModelStatistics(name=name, version=version)
        with self._lock:
            copy.MergeFrom(self._total)
        return copy


def _add(duration: pb.StatisticDuration, seconds: float) -> None:
    duration.count += 1
    duration.ns += int(seconds * _NS)
