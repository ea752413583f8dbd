"""A mask of thin lines to one trace for each line: dashes that lie on one line are joined. Pure.

Traces are float arrays [N,2] of x and y in the mask's pixels, from the bottom of the picture (near) to its top (far).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import cv2
import msgspec
import numpy as np

from services.model_server.adapters.image_input import ImageInput


class TraceConfig(ImageInput, frozen=True, kw_only=True):
    """Which traces count, and when two are one line; lengths in pixels of the mask.

    *min_length* is what a whole line must reach, end to end. A gap between two dashes is bridged where it is at most
    *max_gap* times as long as both together, times the sine of its slope (flat lines are far away, and close to each
    other), and turns by at most *max_turn_deg* from either.
    """

    min_length: Annotated[float, msgspec.Meta(ge=0.0)] = 20.0
    max_gap: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)] = 1.5
    max_turn_deg: Annotated[float, msgspec.Meta(ge=0.0, le=45.0)] = 8.0
    simplify: Annotated[float, msgspec.Meta(ge=0.0, le=64.0)] = 1.0
    max_regions: Annotated[int, msgspec.Meta(ge=1)] = 32


_SHORTEST_DASH = 4.0
_MOST_DASHES = 200
_LOWEST_FORK = 20
_FORKED_SHARE = 0.3
_TOUCHING = 3.0


class Run(NamedTuple):
    """Pixels of one line in one row: *start* up to, not with, *end*."""

    row: int
    start: int
    end: int


def traces(mask: np.ndarray, config: TraceConfig) -> list[np.ndarray]:
    """Return the lines in bool *mask* [H,W], the longest first, each simplified.

    A road has some dozens of dashes. Of thousands, as hatching has, the longest count: joining asks about all pairs.
    """
    dashes = [trace for strand in _dashes(mask) if _length(trace := _trace(strand)) >= _SHORTEST_DASH]
    if len(dashes) > _MOST_DASHES:
        dashes = sorted(dashes, key=_length, reverse=True)[:_MOST_DASHES]
    lines = [line for line in _joined(dashes, config) if _length(line) >= config.min_length]
    lines.sort(key=_length, reverse=True)
    return [_simplified(line, config.simplify) for line in lines[: config.max_regions]]


def _dashes(mask: np.ndarray) -> Iterator[list[Run]]:
    """Yield the connected parts of *mask* as their runs, the lowest first; those that meet at the horizon, apart.

    Only a part that has two arms for much of its height is taken apart: a flat line is ragged, and would be splintered.
    """
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for number in range(1, count):
        left, top, width, height, _area = stats[number].tolist()
        inside = numbers[top : top + height, left : left + width] == number
        runs = [Run(row + top, start + left, end + left) for row, start, end in _runs(inside)]
        forked = height >= _LOWEST_FORK and len(runs) - height > _FORKED_SHARE * height
        yield from _strands(runs) if forked else [runs]


def _strands(runs: Sequence[Run]) -> list[list[Run]]:
    """Return *runs* (the lowest first) as strands that neither fork nor merge on the way up."""
    found: list[list[Run]] = []
    below: list[list[Run]] = []
    for _, row in itertools.groupby(runs, key=lambda run: run.row):
        here = list(row)
        touched = _touched([strand[-1] for strand in below], here)
        times = Counter(touched)
        now = []
        for run, under in zip(here, touched, strict=True):
            if len(under) == 1 and times[under] == 1:
                now.append(below[under[0]])
                now[-1].append(run)
            else:
                now.append([run])
                found.append(now[-1])
        below = now
    return found


def _runs(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """Return row, start and end of all runs of *mask*, row by row from the bottom."""
    edges = np.diff(np.pad(mask[::-1].astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    return list(zip((len(mask) - 1 - rows).tolist(), starts.tolist(), ends.tolist(), strict=True))


def _touched(lower: Sequence[Run], upper: Sequence[Run]) -> list[range]:
    """Return which runs of the row *lower* each of *upper* touches, corners included; both go from left to right."""
    starts, ends = [run.start for run in lower], [run.end for run in lower]
    return [range(bisect_left(ends, run.start), bisect_right(starts, run.end)) for run in upper]


def _trace(strand: list[Run]) -> np.ndarray:
    """Return the middle line of *strand*: row by row where it is taller than wide, else column by column."""
    rows, starts, ends = np.asarray(strand).T
    if len(rows) >= ends.max() - starts.min():
        return np.stack([(starts + ends - 1) / 2, rows], axis=1).astype(np.float64)
    columns = np.concatenate([np.arange(start, end) for _, start, end in strand])
    steps = np.unique(columns)
    middles = np.bincount(columns, np.repeat(rows, ends - starts))[steps] / np.bincount(columns)[steps]
    line = np.stack([steps, middles], axis=1).astype(np.float64)
    return line if line[0, 1] >= line[-1, 1] else line[::-1]


def _length(line: np.ndarray) -> float:
    return float(np.linalg.norm(line[-1] - line[0]))


def _turn_deg(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosine = (one * other).sum(axis=-1) / np.maximum(lengths, 1e-9)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _gaps(near: np.ndarray, far: np.ndarray, config: TraceConfig) -> np.ndarray:
    """Return how long the gap is from the end of each line *near* to the start of each *far*; inf if not of one line.

    Lines are [...,2,2]: start and end, x and y. The result has the shape that the two broadcast to.
    """
    along_near, along_far = near[..., 1, :] - near[..., 0, :], far[..., 1, :] - far[..., 0, :]
    gap, whole = far[..., 0, :] - near[..., 1, :], far[..., 1, :] - near[..., 0, :]
    length = np.linalg.norm(gap, axis=-1)
    both = np.linalg.norm(along_near, axis=-1) + np.linalg.norm(along_far, axis=-1)
    steepness = np.abs(whole[..., 1]) / np.maximum(np.linalg.norm(whole, axis=-1), 1e-9)
    bridged = (gap[..., 1] <= 1.0) & (length <= _TOUCHING + config.max_gap * steepness * both)
    turn = np.maximum(_turn_deg(along_near, whole), _turn_deg(along_far, whole))
    return np.where(bridged & (turn <= config.max_turn_deg), length, np.inf)


def _joined(dashes: list[np.ndarray], config: TraceConfig) -> list[np.ndarray]:
    """Return *dashes* with those on one line joined, the closest pair first."""
    lines = list(dashes)
    ends = np.array([(line[0], line[-1]) for line in lines]).reshape(-1, 2, 2)
    gaps = _gaps(ends[:, None], ends[None, :], config)
    np.fill_diagonal(gaps, np.inf)
    while np.isfinite(gaps).any():
        near, far = np.unravel_index(gaps.argmin(), gaps.shape)
        whole = np.concatenate([lines[near], lines[far]])
        others = [at for at in range(len(lines)) if at not in (near, far)]
        lines = [lines[at] for at in others] + [whole]
        one, ends = np.array([(whole[0], whole[-1])]), ends[others]
        gaps = np.pad(gaps[np.ix_(others, others)], (0, 1), constant_values=np.inf)
        gaps[:-1, -1], gaps[-1, :-1] = _gaps(ends, one, config), _gaps(one, ends, config)
        ends = np.concatenate([ends, one])
    return lines


def _simplified(line: np.ndarray, by: float) -> np.ndarray:
    points = cv2.approxPolyDP(line.astype(np.float32).reshape(-1, 1, 2), by, False).reshape(-1, 2)
    return np.asarray(points, np.float64)
