"""A suite started by ``servoir up`` in a folder and on ports of its own, and what tests ask of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.cache import CACHE
from tests.parts import ROOT, free_block

_PORTS = ("http", "gateway", "registry", "redis", "mongo", "registry_metrics", "dispatcher_metrics", "jobs_metrics")
_BLOCK = 250
START_S = 600


class RunningSuite:
    def __init__(self, home: Path, models: list[dict[str, object]], **settings: object) -> None:
        self.home = home
        self.said = ""
        self.first_port = free_block(_BLOCK)
        self.ports = {name: self.first_port + place for place, name in enumerate(_PORTS)}
        self.ports |= {"model": self.first_port + 20, "model_metrics": self.first_port + 140}
        self.config = home.with_suffix(".yaml")
        self.config.write_text(json.dumps({"models": models, "ports": self.ports, "settings": settings}))
        self.url = f"http://127.0.0.1:{self.ports['http']}"

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``servoir`` with these arguments."""
        told = {"SERVOIR_HOME": str(self.home), "SERVOIR_CONFIG": str(self.config), "SERVOIR_CACHE": str(CACHE)}
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT,
            env={**os.environ, **told, **environment},
            capture_output=True,
            text=True,
            timeout=START_S,
        )

    def up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        answer = self.run("up", *arguments)
        assert answer.returncode == 0, answer.stdout + answer.stderr + self.tails()
        return answer

    def tails(self) -> str:
        """Return the end of each log, for a failure's report."""
        logs = sorted(self.home.glob("logs/*.log"))
        return "".join(f"\n--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Return what ``servoir status`` knows of each process."""
        return {row["name"]: row for row in json.loads(self.run("status", "--json").stdout)["processes"]}

    def left_over(self) -> list[psutil.Process]:
        """Return the live processes that belong to this suite: its folder is in what they were told or work in."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def post(self, picture: bytes, *, key: str, task: str = "bbox", **headers: str) -> httpx.Response:
        """Ask about one picture; *headers* are written with ``_`` for ``-``."""
        return httpx.post(
            f"{self.url}/api/vision/v3/predict/{task}",
            params={"q": key},
            files={"image": ("picture", picture)},
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=60,
        )

    def _owns(self, process: psutil.Process) -> bool:
        try:
            told = [process.environ().get("SERVOIR_SUITE", ""), process.cwd(), *process.cmdline()]
            return any(str(self.home) in text for text in told)
        except psutil.Error:
            return False


def regions(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return what was found in the one picture of a request."""
    assert answer.status_code == 200, answer.text
    (file,) = answer.json()["result"].values()
    found: list[dict[str, Any]] = file["regions"]
    return found


def labels(answer: httpx.Response) -> Iterator[str]:
    return (region["region_attributes"]["label"] for region in regions(answer))
