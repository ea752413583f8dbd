"""How the parts of a suite on one machine are restarted under load, so that requests notice nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from functools import partial

import psutil

from cli import waiting
from cli.errors import Stop
from cli.output import step
from cli.programs import Program, programs, servers_of
from cli.rollout import Rollout
from cli.suite import Suite
from embedded import nginx

_RELOADED = ("gateway", "nginx")
PARTS = ("registry", "dispatcher", "jobs", *_RELOADED)
"""What can be restarted beside models, in the order of an upgrade: who is asked before who asks."""

_TIMEOUT_S = 90.0


class Renewal:
    """Restarts parts of a suite that runs here; raises Stop where it does not, or where a part does not come back."""

    def __init__(self, suite: Suite) -> None:
        suite.supervisor.check_runs()
        self._suite = suite

    def renew(self, parts: Sequence[str]) -> list[str]:
        """Restart *parts* (all where none is named), in the right order; return them in it."""
        models = [key for key, entry in self._suite.models.entries().items() if entry.replicas]
        if unknown := set(parts) - {*PARTS, *models}:
            raise Stop(f"no such part: {', '.join(sorted(unknown))}", f"There are: {', '.join([*PARTS, *models])}.")
        order = ["registry", "dispatcher", "jobs", *models, "gateway", "nginx"]
        wanted = [part for part in order if part in parts or not parts]
        for part in wanted:
            if part == "nginx":  # as `up` was told it, whose certificate and address may not be in this environment
                nginx.write_door_again(self._suite.settings.home / "run" / "nginx")
            if part in models:
                self._renew_model(part)
            elif part in _RELOADED:
                self._reload(part)
            else:
                self._restart(part)
        return wanted

    def _restart(self, name: str) -> None:
        program = self._program(name)
        with step(f"{name} restarted"):
            self._suite.supervisor.stop(name)
            self._suite.supervisor.start(name)
            self._wait(name, partial(waiting.listens, program.ports[0]))

    def _reload(self, name: str) -> None:
        """Have *name* start new processes, which take over from its old ones; start it where it is down."""
        process = self._suite.supervisor.process(name)
        if process.state != "RUNNING":  # its process id is 0 then: a signal would go to this command and its callers
            self._restart(name)
            return
        master, old = process.pid, _children(process.pid)
        with step(f"{name} reloaded"):
            os.kill(master, signal.SIGHUP)
            self._wait(name, lambda: len(_children(master) - old) >= len(old) and not _children(master) & old)

    def _renew_model(self, key: str) -> None:
        replicas = self._suite.models.entries()[key].replicas
        rollout = Rollout(self._suite)
        if replicas == 1:
            rollout.scale(key, 2)
        wanted = programs(self._suite.plan(self._suite.entries_now()))
        for server in servers_of(key, wanted)[:replicas]:
            with step(f"{server.name} has finished what it had"):
                self._suite.supervisor.stop(server.name)
            self._suite.start_model_servers([server])
        if replicas == 1:
            rollout.scale(key, 1)

    def _program(self, name: str) -> Program:
        return next(program for program in programs(self._suite.plan()) if program.name == name)

    def _wait(self, name: str, serves: waiting.Condition) -> None:
        waiting.wait_for(self._suite.supervisor, name, serves, timeout_s=_TIMEOUT_S)


def _children(pid: int) -> set[int]:
    try:
        return {child.pid for child in psutil.Process(pid).children()}
    except psutil.NoSuchProcess:
        return set()
