"""Gunicorn's arbiter, but that on SIGHUP it becomes a new program in the same process: all code is taken up anew.

Gunicorn's own way is to fork new workers from a program that has imported much already, of ours and of libraries: new
code would run over old. Here the program is replaced by itself as it is on the disk now. Its process id, which a
supervisor watches, stays, and so do its listening sockets; its workers go on until new ones take over.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from gunicorn import arbiter
from gunicorn.app import base, wsgiapp

from services.gateway.inheritance import inherited, leave

_NEW_CODE = ("services.gateway.wsgi", "services.gateway.worker")
_TRIAL_S = 60.0
_ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def serve(configuration: str) -> NoReturn:
    """Run Gunicorn with the module *configuration* until it is told to stop."""
    base.Arbiter = Arbiter  # the application has no other place to name it
    sys.argv = ["servoir-gateway", "-c", f"python:{configuration}"]
    Arbiter.configuration = configuration
    sys.exit(wsgiapp.run())


class _Left:
    """A worker that was forked by the program which was here before: older than any of this one's."""

    age = 0
    aborted = False

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.tmp = self

    def last_update(self) -> float:
        """Say that it lives: it is to end soon, and gives itself a limit for that."""
        return time.monotonic()

    def close(self) -> None:
        """Do nothing: what it showed its life by went with its program."""


class Arbiter(arbiter.Arbiter):  # type: ignore[misc]
    """The arbiter of a gateway."""

    configuration: str

    def start(self) -> None:
        """Begin to listen; with workers that the program before left, fork their successors, which outnumber them."""
        super().start()
        left = inherited().workers
        self.WORKERS.update({pid: _Left(pid) for pid in left})
        for _ in range(self.num_workers if left else 0):
            self.spawn_worker()

    def handle_hup(self) -> None:
        """Become a new program, unless that could not start: then go on as before."""
        environment = self._environment()
        if fault := self._fault(environment):
            self.log.error("new code cannot start, so the old goes on: %s", fault)
        elif not self._is_told_to_stop():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the new program has a handler: it would end by it
            os.execve(sys.executable, sys.orig_argv, environment)

    def _environment(self) -> Mapping[str, str]:
        listeners = ",".join(str(listener.fileno()) for listener in self.LISTENERS)
        left = leave(list(self.WORKERS), self.cfg.env["PROMETHEUS_MULTIPROC_DIR"])
        return {**self.cfg.env_orig, **left, "GUNICORN_FD": listeners, "GUNICORN_PID": str(self.pid)}

    def _fault(self, environment: Mapping[str, str]) -> str:
        """Return why a new program could not start; '' where it could."""
        code = "".join(f"import {name}\n" for name in (self.configuration, *_NEW_CODE))
        try:
            tried = subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=_TRIAL_S
            )
        except subprocess.TimeoutExpired:
            return f"it was not read within {_TRIAL_S:g} s"
        if tried.returncode == 0:
            return ""
        return tried.stderr.strip() or f"exit code {tried.returncode}"

    def _is_told_to_stop(self) -> bool:
        """Say whether a signal to end came meanwhile; it is heard next."""
        told: list[Any] = self.wait_for_signals(timeout=0.001)
        for one in told:
            self.SIG_QUEUE.put_nowait(one)
        return not _ENDS.isdisjoint(told)
