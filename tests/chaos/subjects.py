"""What a chaos run serves: the model, the pictures that are sent to it, and what the right answer to each is."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec

from demo import pictures
from tests.cache import demo_model
from tests.model_folders import echo_folder


class Subject(Protocol):
    """A model under test; digests are of answers, equal where the answers are."""

    folder: Path
    key: str
    timeouts_s: tuple[float, ...]
    """What its clients ask for."""
    recovery_s: float
    """How long after a fault its parts may still be starting again, so that a refusal has its reason."""

    def learn(self, url: str) -> None:
        """Ask the calm suite at *url* for what it needs to know."""

    def draw(self, chance: random.Random) -> tuple[bytes, str]:
        """Return a picture and the digest of its right answer."""

    def digest(self, answer: dict[str, Any]) -> str:
        """Return the digest of one picture's part of an answer."""


class Echo:
    """A model that takes 20 ms for a batch, and answers with the checksum of the bytes: no two pictures are alike."""

    key = "chaos-echo-1"
    timeouts_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    recovery_s = 10.0
    # The smallest JPEG header that says 8 x 8 pixels; what follows it is anything, for this model reads no pixels.
    _HEADER = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0001108000800080301220002110103110100ffd9")

    def __init__(self, folder: Path) -> None:
        self.folder = echo_folder(folder, org_name="chaos", config={"delay_s": 0.02})

    def learn(self, url: str) -> None:
        """Nothing: the right answers can be reckoned."""

    def draw(self, chance: random.Random) -> tuple[bytes, str]:
        payload = self._HEADER + chance.randbytes(chance.randrange(100, 20_000))
        return payload, f"{zlib.crc32(payload):08x}"

    def digest(self, answer: dict[str, Any]) -> str:
        return str(answer["classes"][0]["label"])


class Detector:
    """The demo's real detector on photographs; the right answers are those of the calm suite, to the last digit."""

    key = "demo-coco_things-1"
    timeouts_s: tuple[float, ...] = (10.0, 20.0)
    recovery_s = 40.0

    def __init__(self, folder: Path) -> None:
        self.folder = demo_model(self.key)
        self._pictures = [pictures.path(name).read_bytes() for name in pictures.NAMES]
        self._right: dict[int, str] = {}

    def learn(self, url: str) -> None:
        for number, content in enumerate(self._pictures):
            answer = httpx.post(url, params={"q": self.key}, files={"image": ("chaos.jpg", content)}, timeout=30)
            self._right[number] = self.digest(answer.json()["result"]["chaos.jpg"])

    def draw(self, chance: random.Random) -> tuple[bytes, str]:
        number = chance.randrange(len(self._pictures))
        return self._pictures[number], self._right.get(number, "")

    def digest(self, answer: dict[str, Any]) -> str:
        return f"{zlib.crc32(msgspec.json.encode(answer['regions'])):08x}"


SUBJECTS = {"echo": Echo, "detector": Detector}
