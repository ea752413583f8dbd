"""When a replica that errs or stalls is left out, and when it is probed again. Pure: time and chance are arguments."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_S = 0.1
_LONGEST_S = 5.0


@dataclass
class Breaker:
    """The circuit breaker of one replica: closed (in use), or open until a probe at ``probe_at_s`` succeeds."""

    failures: int = 0
    probe_at_s: float = 0.0

    @property
    def open(self) -> bool:
        """Whether the replica is left out."""
        return self.failures > 0

    def failed(self, now_s: float, chance: float) -> None:
        """Open, or stay open for longer: twice as long each time, drawn (*chance* in 0..1) from the upper half."""
        longest = min(_LONGEST_S, _FIRST_S * 2.0**self.failures)
        self.failures += 1
        self.probe_at_s = now_s + longest * (0.5 + 0.5 * chance)

    def succeeded(self) -> None:
        """Close."""
        self.failures = 0
