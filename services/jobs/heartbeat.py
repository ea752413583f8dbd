"""A run's sign of life: a thread that keeps the job's lease, writes its progress, and learns that it is to stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from chassis import logs
from chassis.errors import ServoirError
from services.jobs.context import Cancelled, Interrupted
from services.jobs.records import LeaseLost, Records

log = logs.logger()
_LONGEST_BEAT_S = 1.0
_LOST = 70
_STEP_S = 0.2


class Heartbeat:
    """Keeps the lease that *token* has of a job.

    A process whose lease is lost ends at once, and so does one whose worker (*parent*) is dead: another may be at the
    job already. *stop* is set by whoever wants the run to end at its next checkpoint. Where the process ends in one of
    these ways, or may be killed as it takes too long, *excuse* is called before: the job is not to blame.
    """

    def __init__(
        self,
        records: Records,
        id: str,
        token: str,
        *,
        lease_s: float,
        parent: int,
        stop: threading.Event,
        excuse: Callable[[], None],
    ) -> None:
        self._records, self._id, self._token, self._lease_s = records, id, token, lease_s
        self._parent, self._stop, self._excuse = parent, stop, excuse
        self._cancel, self._over = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._fields: dict[str, Any] = {}
        self._lines: list[str] = []
        self._figures: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._keep, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was to be written is written, where Redis is there."""
        self._over.set()
        self._thread.join()
        with suppress(ServoirError):
            self._write_log()

    def check(self) -> None:
        """Raise Cancelled or Interrupted where the run is to stop."""
        if self._cancel.is_set():
            raise Cancelled
        if self._stop.is_set():
            raise Interrupted

    def say(self, **fields: Any) -> None:
        """Have fields of the job's record written with the next beat."""
        with self._lock:
            self._fields.update(fields)

    def describe(self, figures: dict[str, Any]) -> None:
        """Have figures written with the next beat."""
        with self._lock:
            self._figures.update(figures)
            self._fields["figures"] = msgspec.json.encode(self._figures)

    def add_log(self, line: str) -> None:
        """Have a line of the log written with the next beat."""
        with self._lock:
            self._lines.append(line)

    def finish(self, state: str, problem: str) -> None:
        """Say that the job is over; raises LeaseLost, and Unavailable where Redis is away: then call it again."""
        self._write_log()
        self._over.set()
        self._thread.join()
        self._records.finish(self._id, self._token, state, problem, self._fields)

    def give_back(self) -> None:
        """Have another go on; raises the same."""
        self._write_log()
        self._over.set()
        self._thread.join()
        self._records.give_back(self._id, self._token, self._fields)

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the run is to stop; raises then what ``check`` does."""
        until = time.monotonic() + seconds
        self.check()
        while (left_s := until - time.monotonic()) > 0:
            self._stop.wait(min(left_s, _STEP_S))
            self.check()

    def _keep(self) -> None:
        """Beat until it is over; whatever else ends this ends the process, as it would go on without a lease."""
        try:
            while not self._over.wait(min(_LONGEST_BEAT_S, self._lease_s / 4)):
                if os.getppid() != self._parent:
                    self._excuse()
                    os._exit(_LOST)  # saying so could fail: who read our output may be gone as well
                if self._stop.is_set():
                    self._excuse()
                try:
                    self._beat()
                except ServoirError as error:
                    log.warning("heartbeat_missed", job=self._id, reason=error.detail)
        except BaseException as error:
            if isinstance(error, LeaseLost):
                self._excuse()
            with suppress(Exception):
                log.warning("lease_lost", job=self._id, reason=repr(error))
            os._exit(_LOST)

    def _beat(self) -> None:
        fields = self._taken()
        try:
            if self._records.renew(self._id, self._token, lease_s=self._lease_s, fields=fields):
                self._cancel.set()
        except ServoirError:
            with self._lock:
                self._fields = {**fields, **self._fields}
            raise
        self._write_log()

    def _taken(self) -> dict[str, Any]:
        with self._lock:
            fields, self._fields = self._fields, {}
        return fields

    def _write_log(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._records.add_log(self._id, lines)
        except ServoirError:
            with self._lock:
                self._lines = [*lines, *self._lines]
            raise
