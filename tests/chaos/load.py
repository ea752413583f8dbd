"""Clients of a chaos run: each posts pictures of its own bytes, one after the other, and writes down what it saw."""

from __future__ import annotations

import random
import threading
import time
import uuid

import httpx

from tests.chaos.history import Answered, History, Sent
from tests.chaos.world import World


def predict_url(gateway: str) -> str:
    """Return where pictures are posted to."""
    return f"http://{gateway}/api/vision/v3/predict/bbox"


class Load:
    """So many clients at once, while inside; at its end every request has its answer."""

    def __init__(self, world: World, history: History, *, clients: int) -> None:
        self._world, self._history = world, history
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
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
        payload, right = self._world.subject.draw(chance)
        timeout_s = chance.choice(self._world.subject.timeouts_s)
        self._history.add(Sent(request_id, right, time.time(), timeout_s))
        status, digest = 0, ""
        try:
            answer = client.post(
                predict_url(chance.choice(self._world.gateways)),
                params={"q": self._world.subject.key},
                files={"image": ("chaos.jpg", payload, "image/jpeg")},
                headers={"X-Request-Id": request_id, "X-Request-Timeout-S": str(timeout_s)},
            )
            status = answer.status_code
            if status == 200:
                digest = self._world.subject.digest(answer.json()["result"]["chaos.jpg"])
        except httpx.TransportError:
            time.sleep(0.1)
        self._history.add(Answered(request_id, status, time.time(), digest))
