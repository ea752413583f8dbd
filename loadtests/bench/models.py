"""The models that the bench runs: two real ones, and two without a framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parent.parent.parent


class Model(NamedTuple):
    """A model folder: its key, and the task that is asked of it."""

    key: str
    task: str
    folder: Path


def demo_models(cache: Path) -> list[Model]:
    """Return the demo models, made (which takes a minute) where *cache* does not hold them yet."""
    command = [sys.executable, "-m", "demo", "--cache", str(cache)]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return [read_model(Path(line)) for line in answer.stdout.splitlines()]


def models_in(folder: Path) -> list[Model]:
    """Return every model folder in *folder*, by key."""
    return [read_model(path) for path in sorted(folder.iterdir()) if path.is_dir()]


def read_model(folder: Path) -> Model:
    """Return the model in *folder*, which holds one ``<key>.yaml``."""
    [description] = folder.glob("*-*-*.yaml")
    return Model(description.stem, yaml.safe_load(description.read_text())["task"], folder)


def echo_model(home: Path, problem_id: str, *, delay_s: float = 0.0, delay_per_item_s: float = 0.0) -> Model:
    """Write and return a model without a framework: it answers after its delay, as an accelerator would, for no CPU."""
    key = f"bench-{problem_id}-1"
    folder = home / "models" / key
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "none.txt").write_text("an echo has no weights\n")
    document = {
        "org_name": "bench",
        "problem_id": problem_id,
        "rel_num": "1",
        "task": "bbox",
        "dnnarch": "echo",
        "framework_type": "echo",
        "config": {"delay_s": delay_s, "delay_per_item_s": delay_per_item_s},
    }
    (folder / f"{key}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return Model(key, "bbox", folder)
