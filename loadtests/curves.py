"""How many users there are at which moment, as functions of time. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

Curve = Callable[[float], float]
"""From the share of the test that has passed (0..1) to the share of the most users (0..1)."""

_RISE = 0.05
_QUIET_AT_H, _BUSY_AT_H, _NIGHT = 4.0, 15.0, 0.15


def steady(passed: float) -> float:
    """All users, after a short rise."""
    return min(1.0, passed / _RISE)


def ramp(passed: float) -> float:
    """Ever more, in ten steps: where does it bend?"""
    return min(1.0, (math.floor(passed * 10) + 1) / 10)


def spike(passed: float) -> float:
    """A fifth of the users, and all of them for a fifth of the time: is it as before afterwards?"""
    return 1.0 if 0.4 <= passed < 0.6 else 0.2


def soak(passed: float) -> float:
    """Six tenths, for as long as one likes: does anything grow?"""
    return 0.6 * min(1.0, passed / _RISE)


def day(passed: float) -> float:
    """Twenty-four hours, however long the test is: fewest at four in the morning, most at three in the afternoon."""
    hour = 24.0 * passed
    rising = _BUSY_AT_H - _QUIET_AT_H
    since_quiet = (hour - _QUIET_AT_H) % 24.0
    if since_quiet < rising:
        phase = math.pi * since_quiet / rising
    else:
        phase = math.pi * (1.0 + (since_quiet - rising) / (24.0 - rising))
    return _NIGHT + (1.0 - _NIGHT) * (1.0 - math.cos(phase)) / 2.0


CURVES: dict[str, Curve] = {"steady": steady, "ramp": ramp, "spike": spike, "soak": soak, "day": day}


def users_at(curve: Curve, seconds: float, *, lasts_s: float, most: int) -> int | None:
    """Return how many users there are *seconds* after the start, at least one; None once it is over."""
    if seconds >= lasts_s:
        return None
    return max(1, round(most * curve(seconds / lasts_s)))
