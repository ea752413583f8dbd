"""Clients of a chaos run: each posts pictures of its own bytes, one after the other, and writes down what it saw."""

from __future__ import annotations

import random
import threading
import time
import uuid
import zlib
from collections.abc import Sequence

import httpx

from tests.chaos.history import Answered, History, Sent
from tests.chaos.world import MODEL

TIMEOUTS_S = (1.0, 2.0, 4.0, 8.0)

# The smallest JPEG header that says 8 x 8 pixels; what follows it is anything, for the echo model reads no pixels.
_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0001108000800080301220002110103110100ffd9")


class Load:
    """So many clients at once, from ``start`` until ``stop``."""

    def __init__(self, gateways: Sequence[str], history: History, *, clients: int = 12) -> None:
        self._gateways, self._history = list(gateways), history
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send nothing more, and return when every request has its answer."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        chance = random.Random(f"{self._history.seed}, client {number}")
        with httpx.Client(timeout=60.0) as client:
            while not self._stopped.is_set():
                self._post(client, chance)
                time.sleep(chance.uniform(0.0, 0.1))

    def _post(self, client: httpx.Client, chance: random.Random) -> None:
        request_id = f"c-{uuid.UUID(int=chance.getrandbits(128))}"
        payload = _JPEG + chance.randbytes(chance.randrange(100, 20_000))
        timeout_s = chance.choice(TIMEOUTS_S)
        self._history.add(Sent(request_id, f"{zlib.crc32(payload):08x}", time.time(), timeout_s))
        status, digest = 0, ""
        try:
            answer = client.post(
                f"http://{chance.choice(self._gateways)}/api/vision/v3/predict/bbox",
                params={"q": MODEL},
                files={"image": ("chaos.jpg", payload, "image/jpeg")},
                headers={"X-Request-Id": request_id, "X-Request-Timeout-S": str(timeout_s)},
            )
            status = answer.status_code
            digest = answer.json()["result"]["chaos.jpg"]["classes"][0]["label"] if status == 200 else ""
        except httpx.TransportError:
            time.sleep(0.1)
        self._history.add(Answered(request_id, status, time.time(), digest))
