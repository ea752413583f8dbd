"""The supervisor (supervisord) that keeps a suite's programs alive: its configuration, its start, and its orders.

It is told through a socket of the filesystem that only this user may use. A program that ends is started again, after
a second, then two, then three …
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

from chassis.settings import environment
from chassis.whole_file import write_whole
from cli.errors import Exit, Stop
from cli.programs import Program
from cli.settings import ROOT

MARK = "SERVOIR_SUITE"
"""Each process of a suite has this in its environment: the suite's home."""

LONGEST_SOCKET_PATH = 100
MOST_RESTARTS = 1_000_000
_START_S = 15.0
_UNSPEAKABLE = re.compile(r"\n|\s[#;]")


class Process(NamedTuple):
    """A program as the supervisor sees it; *state* is RUNNING, STARTING, BACKOFF, STOPPED, EXITED or FATAL."""

    name: str
    state: str
    pid: int
    running_s: float
    detail: str


class Away(Stop):
    """The supervisor does not run; or it will not *soon*, and takes no orders any more."""

    def __init__(self, *, soon: bool) -> None:
        problem = "the suite is being stopped here" if soon else "the suite does not run here"
        advice = "When it has ended, `servoir up` starts it again." if soon else "Start it with `servoir up`."
        super().__init__(problem, advice, code=Exit.AWAY)
        self.soon = soon


class Supervisor:
    """The supervisor of the suite in *home*."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.logs = home / "logs"
        self._folder = home / "run"
        self._socket = self._folder / "supervisor.sock"
        self._configuration = self._folder / "supervisord.conf"
        self._log = self.logs / "supervisord.log"

    def check_runs(self) -> None:
        """Raise Away where it does not run, or is about to end."""
        self._ask("getState")

    def runs(self) -> bool:
        """Return whether it runs, and is not about to end."""
        try:
            self.check_runs()
        except Away:
            return False
        return True

    def ends(self) -> bool:
        """Return whether it stops all programs at this moment, to end then."""
        try:
            self.check_runs()
        except Away as away:
            return away.soon
        return False

    def pid(self) -> int:
        """Return its process id."""
        return cast(int, self._ask("getPID"))

    def configure(self, programs: Sequence[Program], *, only: str = "") -> None:
        """Make *programs* those that it knows: start it where it does not run, else stop what is no longer wanted.

        No program is started by this. One whose command or environment has changed is stopped. With *only*, what
        begins with this comes and goes, and all else that runs is left as it is; where it does not run, Away is raised.
        """
        if len(str(self._socket)) > LONGEST_SOCKET_PATH:
            raise Stop(f"the path {self._socket} is too long for a socket", "Choose a shorter SERVOIR_HOME.")
        for folder in (self._folder, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._configuration, self._text(programs))
        if only or self.runs():
            self._reload(only)
        else:
            self._start()

    def start(self, name: str) -> None:
        """Start a program that it knows, if it does not run; does not wait for it."""
        if self.process(name).state not in ("RUNNING", "STARTING"):
            self._ask("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Stop a program, and return when it has ended."""
        if self.process(name).state in ("RUNNING", "STARTING", "BACKOFF"):
            self._ask("stopProcess", name, True)

    def processes(self) -> list[Process]:
        """Return every program that it knows."""
        return [_process(info) for info in cast(list[dict[str, Any]], self._ask("getAllProcessInfo"))]

    def process(self, name: str) -> Process:
        """Return the program *name*."""
        return _process(cast(dict[str, Any], self._ask("getProcessInfo", name)))

    def shut_down(self) -> None:
        """Have it stop all programs, last started first, and end itself; does not wait."""
        self._ask("shutdown")

    def log_file(self, name: str) -> Path:
        """Return where the program's output goes."""
        return self.logs / f"{name}.log"

    def _ask(self, order: str, *arguments: object) -> Any:
        """Return its answer to an order; raises Away where it takes none, and Stop where it refuses this one."""
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        orders = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor
        try:
            return getattr(orders, order)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == Faults.SHUTDOWN_STATE:
                raise Away(soon=True) from fault
            asked = " ".join(map(str, [order, *arguments]))
            raise Stop(f"the supervisor refuses {asked}: {fault.faultString}", f"See {self._log}.") from fault
        except (OSError, HTTPException, xmlrpc.client.ProtocolError) as error:
            raise Away(soon=False) from error

    def _start(self) -> None:
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration)]
        environ = {**environment(), MARK: str(self._home)}
        answer = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        until = time.monotonic() + _START_S
        while answer.returncode == 0 and time.monotonic() < until:
            if self.runs():
                return
            time.sleep(0.05)
        said = (answer.stdout + answer.stderr).strip()
        raise Stop(f"the supervisor does not start: {said}", f"See {self._log}.", code=Exit.NOT_READY)

    def _reload(self, only: str) -> None:
        ((added, changed, removed),) = self._ask("reloadConfig")
        restarted = [] if only else changed
        for name in [*restarted, *removed]:
            if name.startswith(only):
                self.stop(name)
                self._ask("removeProcessGroup", name)
        for name in [*added, *restarted]:
            if name.startswith(only):
                self._ask("addProcessGroup", name)

    def _text(self, programs: Iterable[Program]) -> str:
        head = _section(
            "supervisord",
            logfile=self._log,
            pidfile=self._folder / "supervisord.pid",
            childlogdir=self.logs,
            directory=ROOT,
            minfds=1024,
        )
        control = _section("unix_http_server", file=self._socket, chmod="0700")
        factory = "supervisor.rpcinterface:make_main_rpcinterface"
        rpc = _section("rpcinterface:supervisor", **{"supervisor.rpcinterface_factory": factory})
        bodies = [self._program(program) for program in programs]
        return "\n".join([head, control, rpc, *bodies])

    def _program(self, program: Program) -> str:
        return _section(
            f"program:{program.name}",
            command=shlex.join(program.command),
            environment=",".join(_assignment(name, value) for name, value in program.environment.items()),
            directory=ROOT,
            autostart="false",
            autorestart="true",
            startsecs=program.start_s,
            startretries=MOST_RESTARTS,
            stopwaitsecs=program.stop_s,
            killasgroup="true",
            redirect_stderr="true",
            stdout_logfile=self.log_file(program.name),
            stdout_logfile_maxbytes="20MB",
            stdout_logfile_backups=2,
            priority=program.place,
        )


def _section(title: str, **values: object) -> str:
    """Return a section of its configuration, in which ``%`` is special."""
    lines = [f"{name}={value}".replace("%", "%%") for name, value in values.items()]
    for line in lines:
        if fault := _UNSPEAKABLE.search(line):
            name = line[: fault.start()].rpartition(",")[2][:80]
            raise Stop(f"{title}: {name} … holds a line break, or # or ; behind a blank: that cannot be handed on")
    return "\n".join([f"[{title}]", *lines, ""])


def _assignment(name: str, value: str) -> str:
    """Return ``NAME="value"`` as its parser reads it, which knows two quotes and no escapes."""
    quote = "'" if '"' in value else '"'
    if quote in value:
        raise Stop(f"{name}: a value with both kinds of quotes cannot be handed on")
    return f"{name}={quote}{value}{quote}"


def _process(info: dict[str, Any]) -> Process:
    running_s = float(info["now"] - info["start"]) if info["statename"] == "RUNNING" else 0.0
    return Process(info["name"], info["statename"], info["pid"], running_s, info["spawnerr"] or info["description"])
