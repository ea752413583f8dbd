"""The record of a chaos run: what was sent, answered, executed, counted and broken. Times are Unix seconds."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sent:
    """A request as a client sent it; *digest* is the SHA-256 of its bytes."""

    request_id: str
    digest: str
    at: float
    timeout_s: float


@dataclass(frozen=True)
class Answered:
    """What its client saw: a status (0 is a lost connection) and, for 200, the digest that the model made."""

    request_id: str
    status: int
    at: float
    digest: str = ""


@dataclass(frozen=True)
class Executed:
    """A model server began to run this request's item."""

    request_id: str
    at: float


@dataclass(frozen=True)
class Counted:
    """A usage record at the registry."""

    request_id: str
    status: int


@dataclass(frozen=True)
class Fault:
    """What the nemesis did: *kind* is kill or pause, *target* a part such as ``redis`` or ``dispatcher-0``."""

    kind: str
    target: str
    began: float
    ended: float


@dataclass
class History:
    """Everything that was seen in one run; safe to add to from many threads.

    For *recovery_s* after a fault, parts may still be starting again, so that a refusal has its reason.
    """

    seed: int
    recovery_s: float = 10.0
    sent: list[Sent] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    keys_before: frozenset[str] = frozenset()
    keys_after: frozenset[str] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, event: Sent | Answered | Executed | Counted | Fault) -> None:
        """Append *event* to its list."""
        lists: dict[type, list[object]] = {
            Sent: self.sent,  # type: ignore[dict-item]
            Answered: self.answered,  # type: ignore[dict-item]
            Executed: self.executed,  # type: ignore[dict-item]
            Counted: self.counted,  # type: ignore[dict-item]
            Fault: self.faults,  # type: ignore[dict-item]
        }
        with self._lock:
            lists[type(event)].append(event)

    def summary(self) -> str:
        """Return one line: the seed, and how many of what."""
        statuses: dict[int, int] = {}
        for answer in self.answered:
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
        return (
            f"seed {self.seed}: {len(self.sent)} sent, answers {dict(sorted(statuses.items()))}, "
            f"{len(self.executed)} executions, {len(self.counted)} counted, {len(self.faults)} faults"
        )
