"""Users that behave like ours: those who want predictions, tensors or jobs, who look around, and who misbehave.

Every answer is held to what it must be, not only to its status. A refusal (429, 503) is no error: it is counted apart,
under the request type REFUSED.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from locust import FastHttpUser, between, constant, task

from loadtests.answers import difference, told_of
from loadtests.http import CONTENT_TYPE
from loadtests.served import BASE, Question, Served

REFUSED = "REFUSED"
_REFUSALS = (429, 503)
_JOB_LOOKS = 50


class Ours(FastHttpUser):  # type: ignore[misc]
    """What all of them have: an address of those that are given, and what the suite serves."""

    abstract = True
    network_timeout = connection_timeout = 130.0

    def __init__(self, environment: Any) -> None:
        options = environment.parsed_options
        addresses = [address.strip() for address in options.host.split(",")]
        self.host = addresses[Ours.started % len(addresses)]
        Ours.started += 1
        self.default_headers = environment.headers
        self.timeout_s = options.timeout
        super().__init__(environment)

    started = 0

    @property
    def served(self) -> Served:
        """What the suite serves."""
        served: Served = self.environment.served
        return served

    def any_question(self) -> Question:
        """Return a picture for a model; all are as likely."""
        return random.choice(self.served.questions)

    @contextmanager
    def asked(self, method: str, path: str, name: str, **sent: Any) -> Iterator[Any]:
        """Send a request and give its answer to the block, which calls ``failure`` on one that is wrong."""
        with self.client.request(method, path, name=name, catch_response=True, **sent) as response:
            if response.status_code in _REFUSALS:
                response.request_meta["request_type"] = REFUSED
                response.request_meta["name"] = f"{name} {response.status_code}"
                if response.headers.get("Retry-After") is None:
                    response.failure("refused without Retry-After")
                else:
                    response.success()
            else:
                yield response
                return
        yield None


class Predictor(Ours):
    """Sends photographs of many sizes, and needs each one's regions."""

    weight = 10
    wait_time = between(0.05, 0.5)

    @task  # type: ignore[untyped-decorator]
    def predict(self) -> None:
        """One picture."""
        question = self.any_question()
        headers = {"Content-Type": CONTENT_TYPE, "X-Request-Timeout-S": f"{self.timeout_s:g}"}
        name = f"predict {question.key}"
        with self.asked("POST", question.path, name, data=question.shot.body, headers=headers) as response:
            if response is not None:
                _hold(response, question)


def _hold(response: Any, question: Question) -> None:
    """Mark *response* as failed where it is not what the model says of that picture."""
    if response.status_code == 504:
        response.failure("504: accepted, and not answered in time")
        return
    if response.status_code != 200:
        response.failure(f"{response.status_code}: {str(response.text)[:100]}")
        return
    try:
        told = told_of(json.loads(response.content), question.shot.filename, len(question.shot.content))
        wrong = difference(told, question.expected)
    except (ValueError, KeyError) as error:
        wrong = str(error)
    if wrong:
        response.failure(f"wrong answer: {wrong[:100]}")


class TensorClient(Ours):
    """Speaks the Open Inference Protocol: an image in a BYTES tensor, without JSON around the bytes."""

    weight = 2
    wait_time = between(0.2, 1.0)

    @task  # type: ignore[untyped-decorator]
    def infer(self) -> None:
        """One picture, by the full key as the model's name."""
        if not self.served.inference:
            return
        question = self.any_question()
        element = struct.pack("<I", len(question.shot.content)) + question.shot.content
        parameters = {"binary_data_size": len(element)}
        tensor = {"name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": parameters}
        header = json.dumps({"id": "load", "inputs": [tensor]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(header)), "Content-Type": "application/octet-stream"}
        path, name = f"/v2/models/{question.key}/infer", f"infer {question.key}"
        with self.asked("POST", path, name, data=header + element, headers=headers) as response:
            if response is None or response.status_code != 200:
                return
            length = int(response.headers.get("Inference-Header-Content-Length") or len(response.content))
            told = json.loads(response.content[:length])
            if told.get("id") != "load" or not told.get("outputs"):
                response.failure("no outputs, or another request's")


class JobSubmitter(Ours):
    """Submits pictures to be answered later, and comes back for the results."""

    weight = 1
    wait_time = between(1.0, 3.0)

    @task  # type: ignore[untyped-decorator]
    def submit(self) -> None:
        """One job, from its submission to its result."""
        if not self.served.jobs:
            return
        question = self.any_question()
        headers = {"Content-Type": CONTENT_TYPE, "Prefer": "respond-async"}
        with self.asked("POST", question.path, "job submitted", data=question.shot.body, headers=headers) as response:
            if response is None:
                return
            place = response.headers.get("Location") if response.status_code == 202 else None
            if place is None:
                response.failure(f"{response.status_code}, and no Location of a job")
                return
        self._fetch(place)

    def _fetch(self, place: str) -> None:
        for _ in range(_JOB_LOOKS):
            with self.asked("GET", place, "job looked at") as response:
                state = json.loads(response.content).get("state") if response is not None else ""
                if state in ("failed", "lost"):
                    response.failure(f"the job {state}")
            if state in ("done", "failed", "lost", "cancelled"):
                return
            gevent.sleep(0.5)


class Browser(Ours):
    """Looks at what models there are."""

    weight = 2
    wait_time = between(0.5, 2.0)

    @task  # type: ignore[untyped-decorator]
    def every_model(self) -> None:
        """The list."""
        with self.asked("GET", f"{BASE}/models", "models") as response:
            if response is not None and not json.loads(response.content).get("models"):
                response.failure("no models")

    @task  # type: ignore[untyped-decorator]
    def one_model(self) -> None:
        """One of it."""
        key = random.choice(self.served.keys)
        with self.asked("GET", f"{BASE}/models/{key}", "model") as response:
            if response is not None and json.loads(response.content).get("rel_num") != key.rpartition("-")[2]:
                response.failure("another model")


class Misbehaving(Ours):
    """Sends what it should not; each kind must get its documented status."""

    weight = 1
    wait_time = constant(0.5)

    @task  # type: ignore[untyped-decorator]
    def misbehave(self) -> None:
        """One of the known kinds."""
        question = self.any_question()
        shot, form_type = question.shot, {"Content-Type": CONTENT_TYPE}
        cut = shot.body.replace(shot.content, shot.content[: len(shot.content) // 3])
        kinds: list[tuple[str, str, bytes, dict[str, str], int]] = [
            ("truncated picture", question.path, cut, form_type, 422),
            ("no picture", question.path, shot.body.replace(shot.content, b"<svg/>"), form_type, 415),
            ("unknown model", f"{BASE}/predict/{question.task}?q=no-such-1", shot.body, form_type, 404),
            ("malformed key", f"{BASE}/predict/{question.task}?q=one-two-three-four", shot.body, form_type, 400),
            ("no form", question.path, b"{}", {"Content-Type": "application/json"}, 400),
        ]
        name, path, body, headers, status = random.choice(kinds)
        with self.client.post(path, data=body, headers=headers, name=name, catch_response=True) as response:
            allowed = (status, *_REFUSALS, 200) if name == "truncated picture" else (status, *_REFUSALS)
            if response.status_code in allowed:
                response.success()
            else:
                response.failure(f"{response.status_code} instead of {status}")
