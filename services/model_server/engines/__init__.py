"""The engines by ``framework_type``: a new framework is one file here and one line in the table.

An engine's file imports its framework when it is opened, so that a server needs only the one that it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import NamedTuple

from services.model_server.engines.engine import Engine, EngineOptions, TensorSpec
from services.model_server.engines.fixed_batch import for_any_batch
from services.model_server.exits import BadModelFolder, CannotServe, LoadFailed, MissingPackage

__all__ = ["ENGINES", "Engine", "EngineOptions", "TensorSpec", "framework_version", "open_engine"]


class Door(NamedTuple):
    """Where an engine lives, the extra of this project that installs its framework, and whose packages that may be."""

    module: str
    extra: str
    packages: tuple[str, ...] = ()


ENGINES: dict[str, Door] = {
    "tensorflow": Door("tensorflow", "tensorflow", ("tensorflow", "tensorflow-cpu")),
    "onnx": Door("onnx", "onnx", ("onnxruntime", "onnxruntime-gpu")),
    "litert": Door("litert", "litert", ("ai-edge-litert",)),
    "tensorrt": Door("tensorrt", "tensorrt", ("tensorrt", "tensorrt-rtx-cu12")),
    "echo": Door("echo", "model-server"),
}


def framework_version(framework_type: str) -> str:
    """Return the framework's packages that are installed here, with their versions."""
    door = ENGINES.get(framework_type)
    return ", ".join(version for name in (door.packages if door else ()) if (version := _version(name)))


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return ""


def open_engine(framework_type: str, files: Sequence[Path], options: EngineOptions) -> Engine:
    """Return the model in *files* loaded; raises CannotServe (exits.py), or MemoryError."""
    door = ENGINES.get(framework_type)
    if door is None:
        raise BadModelFolder(f"unknown framework_type {framework_type!r}: one of {', '.join(sorted(ENGINES))}")
    opener: Callable[[Sequence[Path], EngineOptions], Engine]
    opener = import_module(f"{__name__}.{door.module}").load
    try:
        return for_any_batch(opener(files, options))
    except ImportError as error:
        needs = f"framework_type {framework_type!r} needs a package that is not installed ({error.name or error})"
        raise MissingPackage(f"{needs}: pip install -e '.[{door.extra}]' in the checkout") from error
    except (MemoryError, CannotServe):
        raise
    except Exception as error:
        raise LoadFailed(f"{framework_type} could not load the model: {error}") from error
