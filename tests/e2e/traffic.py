"""Clients that post pictures without a pause while a test does something to the suite."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

import httpx

# The smallest JPEG header that says 8 x 8 pixels; what follows it is anything, for the echo model reads no pixels.
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0001108000800080301220002110103110100ffd9")
DEADLINE_S = 30.0
_PAUSE_S = 0.02


class Seen(NamedTuple):
    """One answer: its HTTP status, the key of the model that answered, or what the problem says, and how long it took.

    A connection that broke has status 0.
    """

    status: int
    said: str
    took_s: float


def picture(size: int = 1000) -> bytes:
    """Return a picture of exactly so many bytes."""
    return JPEG + bytes(size - len(JPEG))


def post(client: httpx.Client, url: str, key: str, content: bytes) -> Seen:
    """Ask the model *key* about one picture; a lost connection is an answer too."""
    began_s = time.monotonic()
    try:
        answer = client.post(
            f"{url}/api/vision/v3/predict/bbox",
            params={"q": key} if key else {},
            files={"image": ("echo.jpg", content, "image/jpeg")},
            headers={"X-Request-Timeout-S": f"{DEADLINE_S:g}"},
        )
    except httpx.TransportError as error:
        return Seen(0, repr(error), time.monotonic() - began_s)
    told = answer.json()
    said = told["model"]["key"] if answer.status_code == 200 else str(told["detail"])
    return Seen(answer.status_code, said, time.monotonic() - began_s)


class Clients:
    """So many clients, each asking again as soon as it is answered; within ``with``."""

    def __init__(self, clients: int, pause_s: float = _PAUSE_S, headers: Mapping[str, str] | None = None) -> None:
        self._ended, self._pause_s, self._headers = threading.Event(), pause_s, headers
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=60, headers=self._headers) as client:
            while not self._ended.wait(self._pause_s):
                self._ask(client)

    def _ask(self, client: httpx.Client) -> None:
        raise NotImplementedError


class Traffic(Clients):
    """Clients that ask *key* and remember what they saw."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        clients: int = 3,
        content: Callable[[], bytes] = picture,
        pause_s: float = _PAUSE_S,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(clients, pause_s, headers)
        self._url, self._key, self._content = url, key, content
        self.seen: list[Seen] = []

    def failures(self) -> list[Seen]:
        """Return what was not answered with 200."""
        return [seen for seen in self.seen if seen.status != 200]

    def answered_by(self) -> set[str]:
        """Return the keys of the models that answered."""
        return {seen.said for seen in self.seen if seen.status == 200}

    def _ask(self, client: httpx.Client) -> None:
        self.seen.append(post(client, self._url, self._key, self._content()))


class Patient(Clients):
    """Clients that send each request with an ``Idempotency-Key``, and again after 503 as ``Retry-After`` says."""

    def __init__(self, url: str, key: str, *, clients: int) -> None:
        super().__init__(clients)
        self._url, self._key = url, key
        self.answered: list[str] = []
        self.wrong: list[str] = []

    def _ask(self, client: httpx.Client) -> None:
        self._ask_until_answered(client, uuid.uuid4().hex)

    def _ask_until_answered(self, client: httpx.Client, request_id: str) -> None:
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            try:
                answer = client.post(
                    f"{self._url}/api/vision/v3/predict/bbox",
                    params={"q": self._key},
                    files={"image": ("echo.jpg", picture(), "image/jpeg")},
                    headers={"X-Request-Id": request_id, "Idempotency-Key": request_id},
                )
            except httpx.TransportError as error:
                self.wrong.append(repr(error))
                return
            if answer.status_code == 200:
                self.answered.append(request_id)
                return
            if answer.status_code not in (503, 504):
                self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
                return
            time.sleep(float(answer.headers.get("Retry-After", 0)))
        self.wrong.append(f"never answered: {request_id}")
