"""A converted model's folder: its files, its modelinfo with where it came from, and its place in the store."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chassis.errors import Conflict
from services.registry.client import ModelFile, Modelinfo, write_modelinfo


def next_release(models: Iterable[Modelinfo]) -> str:
    """Return the whole number behind the largest release of *models*."""
    return str(max((int(model.rel_num) for model in models if model.rel_num.isdecimal()), default=0) + 1)


def described(
    source: Modelinfo, rel_num: str, files: Mapping[str, Path], *, framework_type: str, provenance: Mapping[str, Any]
) -> Modelinfo:
    """Return the modelinfo of what *source* became: *files* by their names, *provenance* among its metrics."""
    config = {name: value for name, value in source.config.items() if name != "dtype"}
    return replace(
        source,
        rel_num=rel_num,
        framework_type=framework_type,
        config=config,
        files=tuple(_file(name, path) for name, path in sorted(files.items())),
        metrics={"conversion": dict(provenance)},
        source=f"converted from {source.key}" + (f" ({source.source})" if source.source else ""),
        status="published",
        reports=(),
    )


def write_folder(folder: Path, model: Modelinfo, files: Mapping[str, Path]) -> Path:
    """Make *folder* the model's: its files, and ``<key>.yaml``; return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, path in files.items():
        shutil.copyfile(path, folder / name)
    write_modelinfo(model, folder)
    return folder


def put_into_store(folder: Path, store: Path, model: Modelinfo) -> None:
    """Put a copy of *folder* into the store, whole and read-only; the same again is a no-op. Raises Conflict."""
    target = store / model.key
    if target.exists():
        same = all((target / it.path).is_file() and _sha256(target / it.path) == it.sha256 for it in model.files)
        if not same:
            raise Conflict(f"{model.key} is in the store already, with other files")
        return
    store.mkdir(parents=True, exist_ok=True)
    draft = store / f".converting-{model.key}"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(folder, draft)
    for file in model.files:
        (draft / file.path).chmod(0o444)
    draft.rename(target)


def sha256s(model: Modelinfo) -> dict[str, str]:
    """Return the sha256 of each file of a model."""
    return {file.path: file.sha256 for file in model.files}


def _file(name: str, path: Path) -> ModelFile:
    return ModelFile(name, path.stat().st_size, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
