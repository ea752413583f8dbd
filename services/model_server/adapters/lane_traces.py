"""A mask of thin lines to one trace for each line: dashes that lie on one line are joined. Pure.

Traces are float arrays [N,2] of x and y in the mask's pixels, from the bottom of the picture (near) to its top (far).
"""

from __future__ import annotations

from typing import Annotated

import cv2
import msgspec
import numpy as np

from services.model_server.adapters.image_input import ImageInput


class TraceConfig(ImageInput, frozen=True, kw_only=True):
    """Which traces count, and when two are one line; lengths in pixels of the mask.

    *min_length* is what a whole line must reach, end to end. A gap between two dashes is bridged where it is at most
    *max_gap* times as long as both together and turns by at most *max_turn_deg* from either.
    """

    min_length: Annotated[float, msgspec.Meta(ge=0.0)] = 20.0
    max_gap: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)] = 1.5
    max_turn_deg: Annotated[float, msgspec.Meta(ge=0.0, le=45.0)] = 8.0
    simplify: Annotated[float, msgspec.Meta(ge=0.0, le=64.0)] = 1.0
    max_regions: Annotated[int, msgspec.Meta(ge=1)] = 32


_SHORTEST_DASH = 4.0


def traces(mask: np.ndarray, config: TraceConfig) -> list[np.ndarray]:
    """Return the lines in bool *mask* [H,W], the longest first, each simplified."""
    count, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    dashes = [trace for number in range(1, count) if _length(trace := _trace(numbers == number)) >= _SHORTEST_DASH]
    lines = [line for line in _joined(dashes, config) if _length(line) >= config.min_length]
    lines.sort(key=_length, reverse=True)
    return [_simplified(line, config.simplify) for line in lines[: config.max_regions]]


def _trace(inside: np.ndarray) -> np.ndarray:
    """Return the middle line of one connected part: row by row where it is taller than wide, else column by column."""
    rows, columns = np.nonzero(inside)
    upright = np.ptp(rows) >= np.ptp(columns)
    along, across = (rows, columns) if upright else (columns, rows)
    steps = np.unique(along)
    middles = np.bincount(along, across)[steps] / np.bincount(along)[steps]
    line = np.stack([middles, steps] if upright else [steps, middles], axis=1).astype(np.float64)
    return line if line[0, 1] >= line[-1, 1] else line[::-1]


def _length(line: np.ndarray) -> float:
    return float(np.linalg.norm(line[-1] - line[0]))


def _turn_deg(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(np.degrees(np.arccos(np.clip(one @ other / max(lengths, 1e-9), -1.0, 1.0))))


def _gap(near: np.ndarray, far: np.ndarray, config: TraceConfig) -> float | None:
    """Return how long the gap from the end of *near* to the start of *far* is; None where they are not one line."""
    gap = far[0] - near[-1]
    length = float(np.linalg.norm(gap))
    if gap[1] > 1.0 or length > config.max_gap * (_length(near) + _length(far)):
        return None
    whole = far[-1] - near[0]
    turns = (_turn_deg(near[-1] - near[0], whole), _turn_deg(far[-1] - far[0], whole))
    return length if max(turns) <= config.max_turn_deg else None


def _joined(dashes: list[np.ndarray], config: TraceConfig) -> list[np.ndarray]:
    """Return *dashes* with those on one line joined, the closest pair first."""
    lines = list(dashes)
    while True:
        gaps = {
            (near, far): gap
            for near in range(len(lines))
            for far in range(len(lines))
            if near != far and (gap := _gap(lines[near], lines[far], config)) is not None
        }
        if not gaps:
            return lines
        near, far = min(gaps, key=lambda pair: gaps[pair])
        whole = np.concatenate([lines[near], lines[far]])
        lines = [line for at, line in enumerate(lines) if at not in (near, far)] + [whole]


def _simplified(line: np.ndarray, by: float) -> np.ndarray:
    points = cv2.approxPolyDP(line.astype(np.float32).reshape(-1, 1, 2), by, False).reshape(-1, 2)
    return np.asarray(points, np.float64)
