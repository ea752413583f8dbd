"""The deployment of deploy/compose with models for tests, and what tests ask of it and do to it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.compose.image_builds import DEPLOY
from tests.e2e.traffic import Seen, Traffic, picture, post
from tests.parts import ROOT, wait_until

MODELS = ROOT / "tests" / "compose" / "models.yaml"
READY_S = 300.0


class Deployment:
    """A project of its own, with its secrets and models in *folder*, behind nginx at *port* of this machine."""

    def __init__(self, folder: Path, port: int, *, project: str = "servoir-test") -> None:
        self.folder, self.project = folder, project
        self.url = f"http://127.0.0.1:{port}"
        self._compose = json.loads(os.environ["SERVOIR_TEST_COMPOSE"])
        self._environ = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": project,
            "COMPOSE_FILE": f"{DEPLOY}/compose.yaml:{MODELS}",
            "SECRETS": str(folder / "secrets"),
            "MODELS": str(folder / "models"),
            "PUBLISH_HTTP": f"127.0.0.1:{port}",
        }
        subprocess.run(["sh", str(DEPLOY / "make-secrets"), str(folder / "secrets")], check=True)

    # -- compose ----------------------------------------------------------------------------------------------------

    def compose(self, *arguments: str) -> str:
        """Run ``docker compose …`` and return what it printed."""
        command = [*self._compose, *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, env=self._environ, timeout=900)
        assert answer.returncode == 0, f"{arguments}: {answer.stdout}{answer.stderr}\n{self._logs()}"
        return answer.stdout

    def docker(self, *arguments: str) -> str:
        """Run ``docker …`` and return what it printed."""
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout

    def up(self, *arguments: str) -> None:
        self.compose("up", "--detach", "--no-build", *arguments)

    def scale(self, service: str, count: int) -> None:
        self.up("--no-recreate", "--no-deps", "--scale", f"{service}={count}", service)

    def upgrade(self, *services: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``./upgrade``, whose ``docker compose`` is that of these tests; return how it ended."""
        shim = self.folder / "bin" / "docker"
        shim.parent.mkdir(exist_ok=True)
        compose, docker = shlex.join(self._compose), shutil.which("docker")
        shim.write_text(f'#!/bin/sh\n[ "$1" != compose ] || {{ shift; exec {compose} "$@"; }}\nexec {docker} "$@"\n')
        shim.chmod(0o755)
        told = {**self._environ, "PATH": f"{shim.parent}:{os.environ['PATH']}", **environ}
        command = ["sh", str(DEPLOY / "upgrade"), *services]
        return subprocess.run(command, capture_output=True, text=True, env=told, timeout=800)

    def image_that_ends(self, of: str) -> str:
        """Return an image like *of*, whose containers end at once."""
        container, name = self.docker("create", of).strip(), "servoir-test/ends"
        self.docker("commit", "--change", 'ENTRYPOINT ["false"]', container, name)
        self.docker("rm", container)
        return name

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "20")

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """Return what the engine knows of each container of these services, or of all."""
        ids = self.compose("ps", "--all", "--quiet", *services).split()
        told: list[dict[str, Any]] = json.loads(self.docker("inspect", *ids)) if ids else []
        return told

    def healthy(self, service: str) -> int:
        """Return how many containers of a service are healthy."""
        return sum(it["State"].get("Health", {}).get("Status") == "healthy" for it in self.containers(service))

    def await_healthy(self, service: str, count: int) -> None:
        wait_until(lambda: self.healthy(service) == count, timeout_s=READY_S, what=f"{count} x {service} healthy")

    def batches(self, service: str) -> dict[str, int]:
        """Return how many batches each container of a model has answered."""
        ids = [it["Id"] for it in self.containers(service)]
        return {it: self.docker("logs", it).count("batch_answered") for it in ids}

    def exit_codes(self, container: str, *, since: str) -> list[str]:
        """Return how a container ended each time since a Unix time."""
        wanted = ["--filter", f"container={container}", "--filter", "event=die"]
        form = "{{.Actor.Attributes.exitCode}}"
        return self.docker(
            "events", "--since", since, "--until", str(int(time.time()) + 1), *wanted, "--format", form
        ).split()

    def _logs(self) -> str:
        answer = subprocess.run(
            [*self._compose, "logs", "--no-color", "--tail", "15"], capture_output=True, text=True, env=self._environ
        )
        return answer.stdout[-8000:]

    # -- over HTTP --------------------------------------------------------------------------------------------------

    @property
    def operator(self) -> dict[str, str]:
        """The headers of an operator."""
        return {"Authorization": f"Bearer {self.secret('admin_token')}"}

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text()

    def release(self, folder: str) -> str:
        """Publish the model of a folder, and let it be found; return its key."""
        (description,) = (self.folder / "models" / folder).glob("*-*-*.yaml")
        modelinfo, key = yaml.safe_load(description.read_text()), description.stem
        modelinfo.pop("status", None)
        api = f"{self.url}/api/vision/v3/models"
        httpx.post(api, json=modelinfo, headers=self.operator, timeout=10).raise_for_status()
        httpx.post(f"{api}/{key}/release", json={}, headers=self.operator, timeout=10).raise_for_status()
        return key

    def create_key(self, client: str) -> str:
        """Return the token of a new API key."""
        answer = httpx.post(
            f"{self.url}/api/vision/v3/keys", json={"client_id": client}, headers=self.operator, timeout=10
        )
        token: str = answer.raise_for_status().json()["token"]
        return token

    def ask(self, key: str, content: bytes | None = None) -> Seen:
        """Ask a model about one picture."""
        with httpx.Client(timeout=60, headers=self.operator) as client:
            return post(client, self.url, key, content or picture())

    def traffic(self, key: str, *, clients: int = 3) -> Traffic:
        """Return clients of a model, for ``with``."""
        return Traffic(self.url, key, clients=clients, headers=self.operator)

    def serves(self, key: str) -> bool:
        return self.ask(key).status == 200
