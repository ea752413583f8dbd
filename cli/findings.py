"""What an examination finds: a verdict, what was seen, what to do about it. And the rules that more than one uses."""

from __future__ import annotations

from typing import Literal

import msgspec

LEAST_MONGODB = (6, 0)
MOST_SKEW_S = 1.0


class Finding(msgspec.Struct, frozen=True):
    """The result of one examination."""

    what: str
    verdict: Literal["ok", "warning", "wrong"]
    found: str
    advice: str = ""


def mongodb_version(version: str, where: str, advice: str) -> Finding:
    """Return whether a MongoDB of this *version* is new enough."""
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts >= LEAST_MONGODB:
        return Finding("MongoDB", "ok", f"{version} {where}")
    return Finding("MongoDB", "wrong", f"{version} {where} is too old: 6.0 is needed", advice)


def clock(whose: str, theirs_s: float, ours_s: float) -> Finding:
    """Return whether two clocks (Unix seconds) agree well enough for deadlines and leases."""
    skew_s = theirs_s - ours_s
    found = f"{whose}'s clock is {abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if abs(skew_s) <= MOST_SKEW_S:
        return Finding("clock", "ok", f"{whose}'s clock agrees with this machine's")
    return Finding("clock", "wrong", found, "Let NTP set both clocks (chrony, systemd-timesyncd).")
