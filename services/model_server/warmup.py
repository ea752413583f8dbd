"""Runs a model before it serves: each batch size once, since the first run is slow, then timed.

What is run is what will be served: a photograph-sized JPEG through the whole pipeline where the model takes images,
zeros straight into the engine where it takes tensors.
"""

from __future__ import annotations

import io
import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from chassis.errors import ServoirError
from services.model_server.adapters.adapter import Adapter
from services.model_server.engines.engine import Engine
from services.model_server.exits import LoadFailed
from services.model_server.pipeline import Done, Pipeline, Work

RunBatch = Callable[[int], float]
"""Runs one batch of a given size and returns how long it waited for a free execution, in seconds."""

_OPEN_SIZE = 64
"""What stands in where a tensor's size is open."""


class Measured(NamedTuple):
    """How batches of one size went while the server was full: *seconds* is one batch's median, without its wait."""

    batch_size: int
    seconds: float
    items_per_s: float


def picture(width: int = 640, height: int = 480) -> bytes:
    """Return a JPEG of *width* x *height* that costs as much to decode as a photograph does."""
    rows, columns = np.mgrid[0:height, 0:width]
    texture = np.random.default_rng(7).integers(0, 24, (height, width, 3))
    shades = np.stack([columns * 200 // width, rows * 200 // height, (rows + columns) % 200], axis=-1)
    encoded = io.BytesIO()
    Image.fromarray((shades + texture).astype(np.uint8)).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def batch_runner(pipeline: Pipeline, adapter: Adapter, engine: Engine) -> RunBatch:
    """Return what runs one batch of a given size; it raises LoadFailed where the model does not answer."""
    tasks = sorted(adapter.tasks - {"tensor"})
    if not tasks:
        return lambda size: _run_zeros(pipeline, engine, size)
    work = Work(picture(), tasks[0], math.inf)

    return lambda size: _answered(pipeline.run([work] * size))


def _answered(done: Sequence[Done]) -> float:
    failed = next((item.answer for item in done if isinstance(item.answer, ServoirError)), None)
    if failed is not None:
        raise LoadFailed(f"the model does not answer a plain picture: {failed.detail}")
    return max(item.wait_s for item in done)


def _run_zeros(pipeline: Pipeline, engine: Engine, size: int) -> float:
    shapes = {
        spec: (size, *(_OPEN_SIZE if axis is None else axis for axis in spec.shape[1:])) for spec in engine.inputs
    }
    return pipeline.infer({spec.name: np.zeros(shape, spec.dtype) for spec, shape in shapes.items()}).wait_s


def sizes_to_measure(most: int) -> list[int]:
    """Return the powers of two up to *most*, and *most*."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def warm(
    run: RunBatch,
    most: int,
    *,
    concurrency: int,
    budget_s: float = 10.0,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Run every batch size up to *most* once, and the largest side by side.

    Those that are measured come first; when *budget_s* is used up the rest stay cold.
    """
    began, first = clock(), sizes_to_measure(most)
    for size in first:
        run(size)
    for size in set(range(1, most + 1)).difference(first):
        if clock() - began < budget_s:
            run(size)
    measure(run, most, concurrency=concurrency, seconds=0.0)


def measure(
    run: RunBatch, batch_size: int, *, concurrency: int, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> Measured:
    """Return how batches of *batch_size* go at *concurrency* for about *seconds*; raises what a run raised.

    One batch more than run is at the server, as the dispatcher keeps it, so that decoding overlaps with inference.
    """
    began, times, errors = clock(), list[float](), list[Exception]()

    def keep_running() -> None:
        try:
            while True:
                start = clock()
                waited = run(batch_size)
                times.append(clock() - start - waited)
                if clock() - began >= seconds:
                    return
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=keep_running, name="warm-up") for _ in range(concurrency + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Measured(batch_size, statistics.median(times), len(times) * batch_size / (clock() - began))
