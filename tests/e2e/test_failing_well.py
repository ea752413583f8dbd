"""What a caller is told when a request cannot be answered, through the whole chain."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx

from demo import pictures
from tests.e2e.conftest import CLASSIFIER, DETECTOR
from tests.e2e.running import RunningSuite, labels
from tests.parts import wait_until


def _problem(answer: httpx.Response, status: int) -> dict[str, object]:
    problem: dict[str, object] = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert problem["status"] == status and problem["error"] == problem["detail"] and problem["request_id"]
    return problem


def test_an_unknown_model_is_404(suite: RunningSuite) -> None:
    assert "acme-nothing-1" in str(_problem(suite.post(b"", key="acme-nothing-1"), 404)["detail"])


def test_a_malformed_key_is_400(suite: RunningSuite) -> None:
    _problem(suite.post(pictures.path("coffee").read_bytes(), key="nonsense"), 400)


def test_a_task_that_the_model_cannot_do_is_400_and_says_which_it_can(suite: RunningSuite) -> None:
    problem = _problem(suite.post(pictures.path("coffee").read_bytes(), key=CLASSIFIER, task="lane"), 400)

    assert "classify" in str(problem["detail"])


def test_what_is_no_image_is_415(suite: RunningSuite) -> None:
    _problem(suite.post(b"%PDF-1.7 no image at all", key=DETECTOR), 415)


def test_a_broken_image_is_422_alone_while_others_are_answered(suite: RunningSuite) -> None:
    whole = pictures.path("coffee").read_bytes()
    broken = whole[:2000]

    with ThreadPoolExecutor(8) as clients:
        sent = [whole, broken] * 8
        answers = list(clients.map(lambda picture: suite.post(picture, key=DETECTOR), sent))

    for picture, answer in zip(sent, answers, strict=True):
        if picture is broken:
            _problem(answer, 422)
        else:
            assert "cup" in list(labels(answer))


def test_a_deadline_that_passes_is_504_and_the_next_request_is_answered(suite: RunningSuite) -> None:
    picture = pictures.path("chelsea").read_bytes()
    (pid,) = [row["pid"] for name, row in suite.processes().items() if name.startswith(f"model-{CLASSIFIER}")]

    os.kill(pid, signal.SIGSTOP)
    try:
        late = suite.post(picture, key=CLASSIFIER, task="classify", X_Request_Timeout_S="1.5")
    finally:
        os.kill(pid, signal.SIGCONT)

    _problem(late, 504)
    wait_until(lambda: suite.post(picture, key=CLASSIFIER, task="classify").status_code == 200, what="answered again")


def test_a_body_over_the_limit_is_413(suite: RunningSuite) -> None:
    _problem(suite.post(bytes(21 * 2**20), key=DETECTOR), 413)


def test_nothing_but_the_front_door_tells_a_path_or_a_stack(suite: RunningSuite) -> None:
    for path in ("/nothing/here", "/api/vision/v3/models/none", "/api/vision/v3/predict/bbox"):
        text = httpx.get(f"{suite.url}{path}").text
        assert "Traceback" not in text and "<html" not in text.lower() and "/services/" not in text
