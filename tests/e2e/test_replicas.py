"""Two servers of one model share its queue, and one of them may die."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from demo import pictures
from tests.e2e.conftest import DETECTOR
from tests.e2e.running import RunningSuite, regions
from tests.parts import wait_until

_REQUESTS, _AT_A_TIME = 200, 16


def _servers(suite: RunningSuite) -> dict[str, dict[str, object]]:
    return {name: row for name, row in suite.processes().items() if name.startswith(f"model-{DETECTOR}")}


def _both_serve(suite: RunningSuite) -> bool:
    return all(row["serving"] for row in _servers(suite).values())


def test_two_replicas_share_the_work(suite: RunningSuite) -> None:
    picture = pictures.path("coffee").read_bytes()
    wait_until(lambda: _both_serve(suite), timeout_s=120, what="both replicas serve")
    before = {name: int(str(row["items"])) for name, row in _servers(suite).items()}

    with ThreadPoolExecutor(_AT_A_TIME) as clients:
        list(clients.map(lambda _: regions(suite.post(picture, key=DETECTOR)), range(64)))

    after = {name: int(str(row["items"])) for name, row in _servers(suite).items()}
    assert all(after[name] > before[name] for name in before)


def test_no_answer_is_lost_or_wrong_when_one_of_two_replicas_is_killed(suite: RunningSuite) -> None:
    names = ("coffee", "chelsea", "astronaut")
    sent = {name: pictures.path(name).read_bytes() for name in names}
    wait_until(lambda: _both_serve(suite), timeout_s=120, what="both replicas serve")
    right = {name: regions(suite.post(picture, key=DETECTOR)) for name, picture in sent.items()}
    victim = int(str(_servers(suite)[f"model-{DETECTOR}-1"]["pid"]))
    asked = [names[number % len(names)] for number in range(_REQUESTS)]

    def ask(number: int) -> object:
        if number == _REQUESTS // 4:
            os.kill(victim, signal.SIGKILL)
        return regions(suite.post(sent[asked[number]], key=DETECTOR, X_Request_Timeout_S="30"))

    with ThreadPoolExecutor(_AT_A_TIME) as clients:
        answers = list(clients.map(ask, range(_REQUESTS)))

    assert [answer == right[name] for answer, name in zip(answers, asked, strict=True)] == [True] * _REQUESTS
    wait_until(lambda: _both_serve(suite), timeout_s=120, what="the killed replica is back")
    assert int(str(_servers(suite)[f"model-{DETECTOR}-1"]["pid"])) != victim


def test_scaling_adds_a_server_and_takes_it_away_while_requests_are_answered(suite: RunningSuite) -> None:
    picture = pictures.path("coffee").read_bytes()

    with ThreadPoolExecutor(2) as clients:
        answers = [clients.submit(lambda: suite.post(picture, key=DETECTOR).status_code) for _ in range(200)]
        fewer = suite.run("scale", DETECTOR, "1")
        more = suite.run("scale", DETECTOR, "2")

    assert (fewer.returncode, more.returncode) == (0, 0), fewer.stderr + more.stderr
    assert {answer.result() for answer in answers} == {200}
    assert len(_servers(suite)) == 2
