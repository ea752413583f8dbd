"""Runs a model before it serves: each batch size once, since the first run is slow.

What is run is what will be served: a photograph-sized JPEG through the whole pipeline where the model takes images,
zeros straight into the engine where it takes tensors.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np
from PIL import Image

from chassis.errors import ServoirError
from services.model_server.adapters.adapter import Adapter
from services.model_server.batches import Tensors, join
from services.model_server.engines.engine import Engine
from services.model_server.exits import LoadFailed
from services.model_server.measuring import Clock, side_by_side
from services.model_server.pipeline import Done, Pipeline, Work

_OPEN_SIZE = 64
"""What stands in where a tensor's size is open."""


class SampleRefused(Exception):
    """A model of tensors does not take what was made up for it; it may well take what its users have."""


class RunBatch(Protocol):
    """Runs one batch of *size*, and returns how long it waited for a free execution, in seconds.

    *at_once*: as a guest beside those that run.
    """

    def __call__(self, size: int, /, *, at_once: bool = False) -> float:
        """Raise LoadFailed where the model does not answer a picture, SampleRefused where it takes no zeros."""
        ...


def picture(width: int = 640, height: int = 480) -> bytes:
    """Return a JPEG of *width* x *height* that costs as much to decode as a photograph does."""
    rows, columns = np.mgrid[0:height, 0:width]
    texture = np.random.default_rng(7).integers(0, 24, (height, width, 3))
    shades = np.stack([columns * 200 // width, rows * 200 // height, (rows + columns) % 200], axis=-1)
    encoded = io.BytesIO()
    Image.fromarray((shades + texture).astype(np.uint8)).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def batch_runner(pipeline: Pipeline, adapter: Adapter, engine: Engine) -> RunBatch:
    """Return what runs batches of what the model takes."""
    if not (tasks := _of_images(adapter)):
        return partial(_run_zeros, pipeline, engine)
    return partial(_run_pictures, pipeline, Work(picture(), tasks[0], math.inf))


def tensors_of_one(adapter: Adapter, engine: Engine) -> Tensors:
    """Return one item of what ``batch_runner`` runs, as it goes into the engine."""
    if not (tasks := _of_images(adapter)):
        return _zeros(engine, 1)
    [group] = join({0: adapter.prepare(picture(), tasks[0])}, 1)
    return group.tensors


def _of_images(adapter: Adapter) -> list[str]:
    return sorted(adapter.tasks - {"tensor"})


def _run_pictures(pipeline: Pipeline, work: Work, size: int, *, at_once: bool = False) -> float:
    return _answered(pipeline.run([work] * size, at_once=at_once))


def _answered(done: Sequence[Done]) -> float:
    failed = next((item.answer for item in done if isinstance(item.answer, ServoirError)), None)
    if failed is not None:
        raise LoadFailed(f"the model does not answer a plain picture: {failed.detail}")
    return max(item.wait_s for item in done)


def _run_zeros(pipeline: Pipeline, engine: Engine, size: int, *, at_once: bool = False) -> float:
    zeros = _zeros(engine, size)
    try:
        return pipeline.infer(zeros, at_once=at_once).wait_s
    except MemoryError:
        raise
    except Exception as error:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in zeros.items())
        raise SampleRefused(f"the model does not take zeros as {shapes}: {str(error)[:300]}") from error


def _zeros(engine: Engine, size: int) -> Tensors:
    """Return *size* items of zeros, or of empty BYTES."""
    shapes = {
        spec: (size, *(_OPEN_SIZE if axis is None else axis for axis in spec.shape[1:])) for spec in engine.inputs
    }
    return {
        spec.name: np.full(shape, b"", object) if spec.dtype == object else np.zeros(shape, spec.dtype)
        for spec, shape in shapes.items()
    }


def sizes_to_measure(most: int) -> list[int]:
    """Return the powers of two up to *most*, and *most*."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def warm(
    run: RunBatch,
    most: int,
    *,
    concurrency: int,
    budget_s: float = 10.0,
    clock: Clock = time.perf_counter,
) -> None:
    """Run every batch size up to *most* once, and then the largest side by side with a guest beside them.

    Sizes that are measured come first; when *budget_s* is used up the rest stay cold.
    """
    began, first = clock(), sizes_to_measure(most)
    for size in first:
        run(size)
    for size in set(range(1, most + 1)).difference(first):
        if clock() - began < budget_s:
            run(size)
    side_by_side([*[partial(run, most)] * (concurrency + 1), partial(run, 1, at_once=True)])
