"""The suite finds what the bare model finds in one process on the same bytes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from demo import pictures
from tests.cache import demo_model
from tests.e2e.conftest import DETECTOR
from tests.e2e.running import RunningSuite, regions
from tests.parts import ROOT

_BARE = Path(__file__).parent / "bare_model.py"


def _as_jpeg(picture: bytes) -> bytes:
    written = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(written, "JPEG", quality=92)
    return written.getvalue()


def _found_by_bare_model(files: list[Path]) -> list[list[dict[str, Any]]]:
    weights = demo_model(DETECTOR) / "saved_model"
    command = [sys.executable, str(_BARE), str(weights), *map(str, files)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2000:]
    found: list[list[dict[str, Any]]] = json.loads(answer.stdout.splitlines()[-1])
    return found


def test_labels_scores_and_boxes_are_those_of_the_bare_model(suite: RunningSuite, tmp_path: Path) -> None:
    files = []
    for name in pictures.NAMES:
        png = pictures.path(name).read_bytes()
        for suffix, data in ((".png", png), (".jpg", _as_jpeg(png))):
            files.append(tmp_path / f"{name}{suffix}")
            files[-1].write_bytes(data)
    expected = _found_by_bare_model(files)

    with ThreadPoolExecutor(len(files)) as clients:  # at once, so that they share batches
        answers = list(clients.map(lambda file: regions(suite.post(file.read_bytes(), key=DETECTOR)), files))

    for file, answer, bare in zip(files, answers, expected, strict=True):
        told = [region["region_attributes"]["label"] for region in answer]
        assert told == [thing["label"] for thing in bare], file.name
        for region, thing in zip(answer, bare, strict=True):
            assert abs(region["region_attributes"]["score"] - thing["score"]) < 0.01, file.name
            shape = region["shape_attributes"]
            box = [shape["x"], shape["y"], shape["x"] + shape["width"], shape["y"] + shape["height"]]
            assert max(abs(a - b) for a, b in zip(box, thing["box"], strict=True)) <= 1, file.name
