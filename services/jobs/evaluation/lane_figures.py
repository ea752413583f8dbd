"""Lane accuracy as the TuSimple benchmark defines it. Pure.

A point is right where it is within 20 pixels of the true lane, measured across the lane (so more along a slanted one);
a lane is found where 85 % of its points are right. A picture's accuracy is the mean over its true lanes of the best
lane's share of right points; with more than four true lanes, the worst is let go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from services.jobs.evaluation.labelled_set import Lanes

PIXELS, FOUND_SHARE = 20.0, 0.85
_NONE, _MOST_EXTRA, _COUNTED = -2.0, 2, 4


class LaneFigures(msgspec.Struct, frozen=True):
    """Of one picture, or the mean of many: *accuracy*, and the shares of lanes found wrongly, and missed."""

    accuracy: float
    false_positive: float
    false_negative: float


def lane_figures(truth: Lanes, found: Sequence[Sequence[float]]) -> LaneFigures:
    """Return the figures of one picture; *found* are polylines x, y, x, y …

    More than two lanes too many count as nothing found at all, as in the benchmark.
    """
    lanes = [np.asarray(lane, float) for lane in truth.lanes]
    if len(found) > len(lanes) + _MOST_EXTRA:
        return LaneFigures(0.0, 0.0, 1.0)
    rows = np.asarray(truth.rows, float)
    sampled = [sample(points, rows) for points in found]
    best = [max((_right(lane, it, _tolerance(lane, rows)) for it in sampled), default=0.0) for lane in lanes]
    hits = sum(share >= FOUND_SHARE for share in best)
    missed = len(lanes) - hits
    if len(lanes) > _COUNTED:
        missed = max(missed - 1, 0)
        best.remove(min(best))
    counted = max(min(len(lanes), _COUNTED), 1)
    extra = (len(sampled) - hits) / len(sampled) if sampled else 0.0
    return LaneFigures(sum(best) / counted, extra, missed / counted)


def sample(points: Sequence[float], rows: np.ndarray) -> np.ndarray:
    """Return the x of a polyline at each of *rows*; -2 above its highest point and below its lowest."""
    xs, ys = np.asarray(points[0::2], float), np.asarray(points[1::2], float)
    order = np.argsort(ys, kind="stable")
    across = np.interp(rows, ys[order], xs[order])
    across[(rows < ys.min()) | (rows > ys.max())] = _NONE
    return np.asarray(across)


def mean_figures(each: Sequence[LaneFigures]) -> LaneFigures:
    """Return the mean over pictures."""
    return LaneFigures(
        float(np.mean([it.accuracy for it in each])),
        float(np.mean([it.false_positive for it in each])),
        float(np.mean([it.false_negative for it in each])),
    )


def _tolerance(lane: np.ndarray, rows: np.ndarray) -> float:
    """Return how far off in x a point may be: PIXELS across the lane, by the slant of its line of best fit."""
    there = lane >= 0
    slope = np.polyfit(rows[there], lane[there], 1)[0] if there.sum() > 1 else 0.0
    return PIXELS / math.cos(math.atan(slope))


def _right(lane: np.ndarray, found: np.ndarray, tolerance: float) -> float:
    """Return the share of all rows at which *found* is right; where there is neither, it is."""
    one, other = np.where(lane >= 0, lane, -100.0), np.where(found >= 0, found, -100.0)
    return float((np.abs(one - other) < tolerance).mean())
