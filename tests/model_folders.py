"""Model folders for tests: an echo model out of nothing, and the ready test models where they are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.registry.client import parse_modelinfo, write_modelinfo


def ready_models() -> Path:
    """Return the folder of ready models; skip the test where SERVOIR_TEST_MODELS names none."""
    folder = Path(os.environ.get("SERVOIR_TEST_MODELS", ""))
    if not folder.joinpath("labels").is_dir():
        pytest.skip("set SERVOIR_TEST_MODELS to the folder of ready test models")
    return folder


def described(path: Path, name: str) -> dict[str, Any]:
    """Return the line of modelinfo's ``files`` for the file at *path*, called *name* there."""
    content = path.read_bytes()
    return {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def model_folder(folder: Path, files: Mapping[str, Path], **fields: Any) -> Path:
    """Make *folder* a model folder with links to *files* (by their names in it), and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(source)
    told = {"org_name": "acme", "rel_num": "1", "files": [described(path, name) for name, path in files.items()]}
    write_modelinfo(parse_modelinfo({**told, **fields}), folder)
    return folder


def echo_folder(folder: Path, *, problem_id: str = "echo", **fields: Any) -> Path:
    """Return a folder whose model, ``acme-<problem_id>-1``, gives back what it is sent."""
    told = {"task": "bbox", "dnnarch": "echo", "framework_type": "echo"}
    return model_folder(folder, {}, problem_id=problem_id, **{**told, **fields})


def saved_model(name: str) -> dict[str, Path]:
    """Return the files of the ready SavedModel *name*, by their names under ``model/``."""
    source = ready_models() / name
    return {f"model/{path.relative_to(source)}": path for path in sorted(source.rglob("*")) if path.is_file()}


def coco_folder(folder: Path, **fields: Any) -> Path:
    """Return a folder with the demo detector, ``acme-coco-1``."""
    labels = json.loads((ready_models() / "labels" / "coco90.json").read_text())
    told = {"problem_id": "coco", "task": "bbox", "dnnarch": "ssd_mobilenet_v2", "framework_type": "tensorflow"}
    classes = ["BG", *(labels.get(str(number), "") for number in range(1, 91))]
    return model_folder(folder, saved_model("coco_ssd_ssdlite_mobilenet_v2"), **{**told, "classes": classes, **fields})
