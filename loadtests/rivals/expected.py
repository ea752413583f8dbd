"""What the right answer to each picture holds: asked of the model itself, without any server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from loadtests.bench.generator import Picture
from loadtests.bench.models import ROOT, Model


def with_expected(pictures: Sequence[Picture], model: Model) -> list[Picture]:
    """Return *pictures* with text that the right answer to each holds."""
    command = [sys.executable, "-m", "loadtests.rivals.model", str(model.folder), *(each.file for each in pictures)]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    lines = [line for line in answer.stdout.splitlines() if line.startswith("{")]
    return [Picture(each.file, telling(line)) for each, line in zip(pictures, lines, strict=True)]


def telling(answer: str) -> str:
    """Return the part of a JSON *answer* that tells it from those to other pictures: where its first region is, or its
    first class; nothing where it has neither.
    """
    found = json.loads(answer)
    if found.get("regions"):
        shape = found["regions"][0]["shape_attributes"]
        return json.dumps(shape, separators=(",", ":"))[1:-1]
    if found.get("classes"):
        return f'"label":{json.dumps(found["classes"][0]["label"])}'
    return ""
