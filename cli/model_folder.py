"""A model's folder as it is published: ``<org>-<problem>-<rel>.yaml``, and beside it the files that it names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cli.errors import Stop

_REFERENCE = "See docs/one-machine.md, Modelinfo."
_AS_WRITTEN = ("org_name", "problem_id", "rel_num", "classes", "created_on", "description")
"""Fields that are text whatever they look like: YAML would read ``1`` as a number and ``no`` as a truth value."""


class ModelFolder(NamedTuple):
    """A checked folder: *modelinfo* names every file of the model, with its size and sha256."""

    path: Path
    key: str
    modelinfo: dict[str, Any]

    @property
    def files(self) -> list[dict[str, Any]]:
        """The model's files: ``path`` (relative to the folder), ``bytes``, ``sha256``."""
        return list(self.modelinfo["files"])


def read_model_folder(path: Path) -> ModelFolder:
    """Return the model in the folder *path*, each file held to what its modelinfo says.

    Where the modelinfo names no files, all others in the folder are the model's. Raises Stop naming every fault.
    """
    description = _description(path)
    modelinfo = _read(description)
    key = "-".join(str(modelinfo.get(part, "")) for part in ("org_name", "problem_id", "rel_num"))
    if key != description.stem:
        raise Stop(f"{description.name} describes {key}", f"Call the file {key}.yaml, or correct what it says.")
    named = modelinfo.get("files") or [{"path": name} for name in _other_files(path, description)]
    if not named:
        raise Stop(f"{path} has no files but {description.name}", "Put the model's weights into the folder.")
    faults = [fault for file in named if (fault := _fault(path, file))]
    if faults:
        raise Stop("\n".join(faults), f"The files in {path} are not those that {description.name} was written for.")
    return ModelFolder(path, key, {**modelinfo, "files": [_measured(path, file["path"]) for file in named]})


def sha256_of(path: Path) -> str:
    """Return the file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _description(path: Path) -> Path:
    if not path.is_dir():
        raise Stop(f"no such folder: {path}", "A model is a folder that holds <org>-<problem>-<rel>.yaml.")
    found = sorted(file for file in path.glob("*.yaml") if file.stem.count("-") == 2)
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise Stop(f"{path} must hold one <org>-<problem>-<rel>.yaml; found: {names}", _REFERENCE)
    return found[0]


def _read(description: Path) -> dict[str, Any]:
    text = description.read_text(encoding="utf-8")
    try:
        document, as_written = yaml.safe_load(text), yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise Stop(f"{description}: {error}", "Correct the YAML.") from error
    if not isinstance(document, dict):
        raise Stop(f"{description} holds no fields", _REFERENCE)
    return document | {name: as_written[name] for name in _AS_WRITTEN if document.get(name) is not None}


def _other_files(path: Path, description: Path) -> list[str]:
    files = sorted(file for file in path.rglob("*") if file.is_file() and file != description)
    return [file.relative_to(path).as_posix() for file in files]


def _fault(folder: Path, told: dict[str, Any]) -> str:
    """Say how a file differs from what the modelinfo says of it."""
    file = folder / told["path"]
    if not file.resolve().is_relative_to(folder.resolve()):
        return f"{told['path']} is outside the folder"
    if not file.is_file():
        return f"{told['path']} is missing"
    measured = _measured(folder, told["path"])
    differing = [name for name in ("bytes", "sha256") if told.get(name, measured[name]) != measured[name]]
    return f"{told['path']}: {' and '.join(differing)} differ from the modelinfo" if differing else ""


def _measured(folder: Path, name: str) -> dict[str, Any]:
    return {"path": name, "bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
