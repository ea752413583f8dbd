"""The images that the tests run: ours, built as a user builds them, and those of others or stand-ins for them.

Where there is no registry to pull from, a stand-in is the genuine server from the wheels and Debian packages that the
other tests use, in an image of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from embedded import mongod, nginx
from tests.compose.engine import FOLDER, Missing, has_builder, need_program
from tests.parts import ROOT

DEPLOY = ROOT / "deploy" / "compose"
BASE = "servoir-test/python:3.11"
STAND_INS = ("redis", "mongo", "nginx")
_DEBIAN = ("debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", "bookworm")
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def variables() -> dict[str, str]:
    """Return the variables of the compose file that name other images; none where the official ones can be pulled."""
    if os.environ.get("SERVOIR_TEST_OFFICIAL_IMAGES"):
        return {}
    return {"PYTHON_IMAGE": BASE, **{f"{name.upper()}_IMAGE": f"servoir-test/{name}" for name in STAND_INS}}


def build_all(compose: list[str], environ: Mapping[str, str]) -> None:
    """Build what the compose file needs, in the engine of *environ*."""
    told = {**environ, **variables()}
    if not has_builder(environ):
        told |= {"DOCKER_BUILDKIT": "0", "COMPOSE_BAKE": "false"}
    if variables():
        _make_base(told)
        for name in STAND_INS:
            _make_stand_in(name, told)
    print("building the services and the model server", flush=True)
    files = [f"--file={DEPLOY / name}" for name in ("compose.yaml", "build.yaml")]
    _run([*compose, *files, "build", "--quiet"], told)


def _make_base(environ: Mapping[str, str]) -> None:
    """Make Debian with Python an image, with this machine's certificates, unless it is there."""
    if subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, env=environ).returncode == 0:
        return
    need_program("debootstrap")
    if os.geteuid():
        raise Missing("only root can make a base image: SERVOIR_TEST_OFFICIAL_IMAGES=true pulls the official ones")
    print(f"making {BASE}", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        root = Path(folder) / "root"
        _run([*_DEBIAN, str(root)], environ)
        if Path("/", _CERTIFICATES).exists():
            shutil.copyfile(Path("/", _CERTIFICATES), root / _CERTIFICATES)
        packed = Path(folder) / "root.tar"
        left_out = [f"--exclude=./var/{place}/*" for place in ("cache/apt", "lib/apt/lists")]
        _run(["tar", "-C", str(root), "-cf", str(packed), *left_out, "."], environ)
        _run(["docker", "import", str(packed), BASE], environ)


def _make_stand_in(name: str, environ: Mapping[str, str]) -> None:
    print(f"building servoir-test/{name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for program in {"mongo": [mongod.binary()], "nginx": [nginx.binary()]}.get(name, []):
            shutil.copy(program, folder)
        file = str(Path(__file__).parent / "images" / f"{name}.Dockerfile")
        command = ["docker", "build", "--quiet", "-f", file, "-t", f"servoir-test/{name}"]
        _run([*command, "--build-arg", f"PYTHON_IMAGE={BASE}", folder], environ)


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, env=dict(environ))
    if answer.returncode:
        raise Missing(f"{' '.join(command[:6])} … failed:\n{(answer.stdout + answer.stderr)[-3000:]}")
