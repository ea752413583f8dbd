"""The suite under test: started by ``servoir up`` on ports of its own, as any user starts it, and taken down after."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from chassis.settings import environment
from loadtests.bench import processes
from loadtests.bench.models import ROOT, Model

_PORTS = ("http", "gateway", "registry", "redis", "mongo", "registry_metrics", "dispatcher_metrics", "jobs_metrics")
_PARTS = {
    "services.gateway": "gateway",
    "services.queue": "dispatcher",
    "services.jobs": "jobs",
    "services.registry": "registry",
    "valkey-server": "valkey",
    "redis-server": "valkey",
    "mongod": "mongod",
    "nginx": "nginx",
}
_MOST_PORTS = 100
_API = "/api/vision/v3"
_KEY_KNOWN_S = 10.0
_KEY_SPREADS_S = 1.0
"""One gateway process knows it first; the others follow within a moment."""
SUPERVISOR = "supervisor"


class Tuned(NamedTuple):
    """How a model server runs its model: the engine's threads for one execution, and executions side by side."""

    threads: int
    concurrency: int


class Suite:
    """A suite that serves *models*, each by so many *replicas*, from ``with`` to its end. *settings* are those of
    servoir.yaml.
    """

    def __init__(
        self, home: Path, models: Sequence[Model], settings: Mapping[str, Any] | None = None, *, replicas: int = 1
    ) -> None:
        self._home, self._models, self._settings = home, models, dict(settings or {})
        self._replicas = replicas
        first = free_block(_MOST_PORTS)
        self._ports = {name: first + place for place, name in enumerate(_PORTS)}
        self._ports |= {"model": first + 20, "model_metrics": first + 60}

    @property
    def direct(self) -> str:
        """The gateways' address."""
        return f"127.0.0.1:{self._ports['gateway']}"

    @property
    def front(self) -> str:
        """The address of nginx, in front of the gateways."""
        return f"127.0.0.1:{self._ports['http']}"

    @property
    def registry(self) -> str:
        """The registry's address."""
        return f"127.0.0.1:{self._ports['registry']}"

    @property
    def redis(self) -> str:
        """The URL of the Redis that holds the queue."""
        return f"redis://127.0.0.1:{self._ports['redis']}/0"

    def __enter__(self) -> Suite:
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir(parents=True)
        entries = [{"model": str(model.folder), "replicas": self._replicas} for model in self._models]
        document = {"models": entries, "ports": self._ports, "settings": self._settings}
        (self._home / "servoir.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        self._servoir("up", "--no-photo")
        return self

    def __exit__(self, *_: object) -> None:
        self._servoir("down")

    def parts(self) -> dict[str, int]:
        """Return the process id of each part; a model server goes by its model's key."""
        supervisor = int((self._home / "run" / "supervisord.pid").read_text())
        children = [pid for pid, stat in processes.stats().items() if stat.parent == supervisor]
        return {**{self._part(pid): pid for pid in children}, SUPERVISOR: supervisor}

    def memory_bytes(self) -> dict[str, int]:
        """Return the memory of each part."""
        parts = self.parts()
        own = set(parts.values())
        return {part: processes.memory_bytes(pid, without=own - {pid}) for part, pid in parts.items()}

    def tuned(self, model: Model) -> Tuned:
        """Return how *model* is served, by what its server wrote into its log when it was warm."""
        lines = (self._home / "logs" / f"model-{model.key}-0.log").read_text().splitlines()
        told = [json.loads(line) for line in lines if '"warmed_up"' in line][-1]
        return Tuned(told["threads"], told["concurrency"])

    def api_key(self, client: str) -> dict[str, str]:
        """Make an API key for *client*; return the header that tells who it is, once the gateways know it.

        They must ask for keys (the setting ``api_keys``): where they do not, everybody is the same client.
        """
        admin = {"Authorization": f"Bearer {(self._home / 'run' / 'admin_token').read_text().strip()}"}
        with httpx.Client(base_url=f"http://{self.direct}{_API}") as http:
            made = http.post("/keys", json={"client_id": client}, headers=admin).raise_for_status()
            header = {"Authorization": f"Bearer {made.json()['token']}"}
            until = time.monotonic() + _KEY_KNOWN_S
            while http.get("/models", headers=header).status_code != 200:
                if time.monotonic() > until:
                    raise RuntimeError(f"the gateways do not take the new key of {client}")
                time.sleep(0.1)
        time.sleep(_KEY_SPREADS_S)
        return header

    def _part(self, pid: int) -> str:
        command = processes.command_line(pid)
        if "services.model_server" in command:
            return Path(processes.variable(pid, "SERVOIR_MODEL")).name
        return next((name for mark, name in _PARTS.items() if mark in command), str(pid))

    def _servoir(self, *arguments: str) -> None:
        variables = {
            **environment(),
            "SERVOIR_HOME": str(self._home),
            "SERVOIR_CONFIG": str(self._home / "servoir.yaml"),
        }
        command = [sys.executable, "-m", "cli.main", *arguments]
        answer = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
        if answer.returncode:
            raise RuntimeError(f"servoir {' '.join(arguments)}: {answer.stdout[-2000:]}{answer.stderr[-2000:]}")


def free_block(size: int) -> int:
    """Return the first of *size* ports in a row that nobody listens on, below those that connections are given."""
    return next(first for first in range(20_000, 32_000, size) if all(map(_is_free, range(first, first + size))))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
