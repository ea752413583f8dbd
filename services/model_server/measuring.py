"""How batches of each size go while the server is full: sizes take turns, and only what lies in the time counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

Clock = Callable[[], float]
ROUNDS = 3
"""How often each size has its turn, so that a machine that is slow for a moment is so for all of them."""


class Measured(NamedTuple):
    """How batches of one size went while the server was full: *seconds* is one batch's median, without its wait."""

    batch_size: int
    seconds: float
    items_per_s: float


class Span(NamedTuple):
    """When a batch was at work: from the end of its wait for a free execution to its answers."""

    began: float
    ended: float


def measure(
    run: Callable[[int], float],
    sizes: Sequence[int],
    *,
    concurrency: int,
    seconds: float,
    clock: Clock = time.perf_counter,
) -> tuple[Measured, ...]:
    """Return how batches of each of *sizes* go at *concurrency*, each for about *seconds*; raises what *run* raised.

    *run* runs a batch of a given size, and returns how long it waited for a free execution, in seconds. One batch more
    than run is at the server, as the dispatcher keeps it, so that decoding overlaps with inference.
    """
    spans, rates = {size: list[Span]() for size in sizes}, {size: list[float]() for size in sizes}
    used = dict.fromkeys(sizes, 0.0)
    while wanting := [size for size in sizes if not rates[size] or used[size] < seconds]:
        for size in wanting:
            began = clock()
            turn = side_by_side([partial(run, size)] * (concurrency + 1), seconds=seconds / ROUNDS, clock=clock)
            spans[size] += turn
            rates[size].append(size * batches_per_s(turn, Span(began, began + seconds / ROUNDS)))
            used[size] += clock() - began
    return tuple(
        Measured(
            size,
            statistics.median(span.ended - span.began for span in spans[size]),
            statistics.median(rates[size]),
        )
        for size in sizes
    )


def batches_per_s(spans: Sequence[Span], window: Span) -> float:
    """Return the batches in *window* over its length; of one that reaches beyond it, the share that lies inside."""
    inside = sum(
        max(0.0, min(span.ended, window.ended) - max(span.began, window.began)) / (span.ended - span.began)
        for span in spans
    )
    return inside / (window.ended - window.began)


def side_by_side(
    calls: Sequence[Callable[[], float]], *, seconds: float = 0.0, clock: Clock = time.perf_counter
) -> list[Span]:
    """Make each of *calls* in a thread of its own, at least once, and again until *seconds* are over.

    A call returns how long it waited, in seconds. Raises what one raised.
    """
    began = clock()

    def keep_calling(call: Callable[[], float]) -> list[Span]:
        spans = list[Span]()
        while not spans or clock() - began < seconds:
            start = clock()
            waited = call()
            spans.append(Span(start + waited, clock()))
        return spans

    with ThreadPoolExecutor(len(calls), thread_name_prefix="warm-up") as pool:
        return [span for spans in pool.map(keep_calling, calls) for span in spans]
