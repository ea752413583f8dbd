"""One background job at a moment. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

State = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
ENDED = frozenset({"done", "failed", "cancelled"})


class Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who submitted a job, as the queue has to know it: *key_id* and the limits are those of the API key."""

    client_id: str = ""
    weight: float = 1.0
    key_id: str = ""
    requests_per_s: float = 0.0
    burst: int = 0
    requests_per_day: int = 0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job at a moment; times in seconds since 1970, 0 where it has not come to that.

    *done* of *total* is in the kind's own unit, mostly pictures; *runs* counts how often a worker took it up.
    """

    id: str
    kind: str
    queue: str
    parameters: bytes
    owner: Owner
    name: str = ""
    keep_s: float
    state: State = "queued"
    done: int = 0
    total: int = 0
    stage: str = ""
    created_s: float
    queued_s: float = 0.0
    started_s: float = 0.0
    resumed_s: float = 0.0
    resumed_at: int = 0
    ended_s: float = 0.0
    expires_s: float = 0.0
    problem: str = ""
    figures: dict[str, Any] = {}
    runs: int = 0
    vehicle: str = ""

    def rate(self, now_s: float) -> float | None:
        """Return how much a second is done since the present run began; None where nothing can be said yet."""
        took_s = (self.ended_s or now_s) - self.resumed_s
        done = self.done - self.resumed_at
        if not self.resumed_s or self.state == "queued" or took_s <= 0 or done <= 0:
            return None
        return done / took_s

    def left_s(self, now_s: float) -> float | None:
        """Return an estimate of the seconds until its end; None where nothing can be said."""
        rate = self.rate(now_s)
        if rate is None or self.state != "running" or not self.total:
            return None
        return max(0.0, (self.total - self.done) / rate)


_ID = re.compile(r"[a-z]{1,20}-[0-9a-f]{16}").fullmatch


def is_id(text: str) -> bool:
    """Return whether *text* could be a job's id."""
    return bool(_ID(text))


def new_id(kind: str) -> str:
    """Return an id for a job: nobody can guess it, and it says what it is."""
    return f"{kind}-{secrets.token_hex(8)}"


def repeated_id(kind: str, client_id: str, repeat: str) -> str:
    """Return the id of a client's job that has this idempotency key."""
    digest = hashlib.sha256(f"{len(client_id)}:{client_id}:{repeat}".encode()).hexdigest()
    return f"{kind}-{digest[:16]}"


def read_job(id: str, found: Mapping[bytes, bytes]) -> Job:
    """Return the job that a hash of records.py holds."""
    fields = {name.decode(): value for name, value in found.items()}
    state = fields.get("state", b"queued").decode()
    if state == "running" and "cancel" in fields:
        state = "cancelling"
    return Job(
        id=id,
        kind=fields["kind"].decode(),
        queue=fields["queue"].decode(),
        parameters=fields["parameters"],
        owner=msgspec.json.decode(fields["owner"], type=Owner),
        name=fields.get("name", b"").decode(),
        keep_s=float(fields["keep_s"]),
        state=msgspec.convert(state, State),
        done=int(fields.get("done", 0)),
        total=int(fields.get("total", 0)),
        stage=fields.get("stage", b"").decode(),
        created_s=float(fields["created"]),
        queued_s=float(fields.get("queued", 0)),
        started_s=float(fields.get("started", 0)),
        resumed_s=float(fields.get("resumed", 0)),
        resumed_at=int(fields.get("resumed_at", 0)),
        ended_s=float(fields.get("ended", 0)),
        expires_s=float(fields.get("expires", 0)),
        problem=fields.get("problem", b"").decode(),
        figures=msgspec.json.decode(fields.get("figures", b"{}")),
        runs=int(fields.get("runs", 0)),
        vehicle=fields.get("vehicle", b"").decode(),
    )
