"""What a suite serves, asked before the load: its models, and the right answer to every picture, one at a time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from demo import pictures as demo_pictures
from loadtests.answers import told_of
from loadtests.http import CONTENT_TYPE, form

BASE = "/api/vision/v3"
_TIMEOUT_S = 60.0
_SIDES = (96, 320, 640, 1280, 2560)
_MOST_PICTURES = 12


@dataclass(frozen=True)
class Shot:
    """A picture as it is sent."""

    filename: str
    content: bytes
    body: bytes


@dataclass(frozen=True)
class Question:
    """A picture for a model, and what is told of it when nobody else asks."""

    key: str
    task: str
    shot: Shot
    expected: dict[str, Any]

    @property
    def path(self) -> str:
        """Where it is asked."""
        return f"{BASE}/predict/{self.task}?q={self.key}"


@dataclass(frozen=True)
class Served:
    """Everything that the users know; *jobs* and *inference* say whether the suite offers those dialects."""

    keys: list[str]
    questions: list[Question]
    jobs: bool
    inference: bool


def photographs(folder: Path | None) -> list[Path]:
    """Return the photographs in *folder*; without one, the demo's."""
    if folder is None:
        return [demo_pictures.path(name) for name in demo_pictures.NAMES]
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]


def shots(files: list[Path]) -> list[Shot]:
    """Return photographs in many sizes, from an icon's to a camera's."""
    if not files:
        raise ValueError("no photographs: a folder of JPEG or PNG files is needed")
    sides = [_SIDES[place % len(_SIDES)] for place in range(min(_MOST_PICTURES, max(len(files), len(_SIDES))))]
    return [_shot(files[place % len(files)], side) for place, side in enumerate(sides)]


def _shot(file: Path, side: int) -> Shot:
    with Image.open(file) as image:
        scale = side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        encoded = io.BytesIO()
        image.convert("RGB").resize(size).save(encoded, "JPEG", quality=90)
    filename = f"{file.stem}-{side}.jpg"
    return Shot(filename, encoded.getvalue(), form(filename, encoded.getvalue()))


def look(address: str, pictures: list[Shot], headers: dict[str, str]) -> Served:
    """Ask the suite at *address* (``http://host:port``) what it serves; raises httpx.HTTPError, ValueError."""
    with httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S) as client:
        models = client.get(f"{BASE}/models").raise_for_status().json()["models"]
        asked = [_question(client, model, shot) for model in models for shot in pictures]
        questions = [question for question in asked if question is not None]
        paths = client.get("/openapi.json").json().get("paths", {})
        inference = client.get("/v2").status_code == 200
    if not questions:
        raise ValueError(f"{address} serves no model that takes pictures: start some with `servoir up`")
    keys = sorted({question.key for question in questions})
    return Served(keys, questions, jobs=f"{BASE}/jobs" in paths, inference=inference)


def _question(client: httpx.Client, model: dict[str, Any], shot: Shot) -> Question | None:
    """Return the question with its answer; None where the model is served by nobody, or takes no pictures."""
    key = "-".join(model[part] for part in ("org_name", "problem_id", "rel_num"))
    path = f"{BASE}/predict/{model['task']}?q={key}"
    if model["task"] == "tensor":
        return None
    answer = client.post(path, content=shot.body, headers={"Content-Type": CONTENT_TYPE})
    if answer.status_code != 200:
        return None
    return Question(key, model["task"], shot, told_of(answer.json(), shot.filename, len(shot.content)))
