"""A model's folder: its modelinfo in YAML, and the files that it names, held to their sha256."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from chassis.errors import ServoirError
from services.model_server.exits import BadModelFolder
from services.registry.client import Modelinfo, read_modelinfo


class ModelFolder(NamedTuple):
    """What is served: the modelinfo and where its files lie, in its order."""

    modelinfo: Modelinfo
    files: tuple[Path, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.modelinfo.files)

    @property
    def digest(self) -> str:
        """One sha256 for all files and what they are run with: equal where the model is the same."""
        told = [f"{file.path}={file.sha256}" for file in self.modelinfo.files]
        settings = (self.modelinfo.framework_type, self.modelinfo.dnnarch, sorted(self.modelinfo.config.items()))
        return hashlib.sha256(repr((told, settings)).encode()).hexdigest()


def _modelinfo_file(folder: Path) -> Path:
    """Return the one file that is called like a model key."""
    if not folder.is_dir():
        raise BadModelFolder(f"no such model folder: {folder}")
    found = sorted(path for path in folder.glob("*.yaml") if path.stem.count("-") == 2)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise BadModelFolder(f"{folder} must hold one <org>-<problem>-<rel>.yaml; found: {names}")
    return found[0]


def open_model_folder(folder: Path) -> ModelFolder:
    """Return the model in *folder*, its files not yet read; raises BadModelFolder."""
    try:
        modelinfo = read_modelinfo(_modelinfo_file(folder))
    except ServoirError as error:
        raise BadModelFolder(error.detail) from error
    return ModelFolder(modelinfo, tuple(folder / file.path for file in modelinfo.files))


def verify(model: ModelFolder) -> None:
    """Hold every file to its size and sha256; raises BadModelFolder naming each one that differs."""
    faults = [
        fault
        for told, path in zip(model.modelinfo.files, model.files, strict=True)
        if (fault := _fault(path, told.bytes, told.sha256))
    ]
    if faults:
        raise BadModelFolder(f"{model.modelinfo.key}: {'; '.join(faults)}")


def _fault(path: Path, size: int, sha256: str) -> str:
    """Return what is wrong with the file at *path*, or nothing."""
    if not path.is_file():
        return f"{path.name} is missing"
    if path.stat().st_size != size:
        return f"{path.name} has {path.stat().st_size} bytes, modelinfo says {size}"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if found == sha256 else f"{path.name} has sha256 {found}, modelinfo says {sha256}"
