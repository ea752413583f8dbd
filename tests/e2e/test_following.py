"""One request can be followed through every service by its id, and is counted once."""

from __future__ import annotations

import json
import secrets

from demo import pictures
from tests.e2e.conftest import DETECTOR
from tests.e2e.running import RunningSuite
from tests.parts import wait_until


def test_a_request_is_followed_through_every_service_by_its_id(suite: RunningSuite) -> None:
    request_id = f"follow-{secrets.token_hex(6)}"

    assert suite.post(pictures.path("coffee").read_bytes(), key=DETECTOR, X_Request_Id=request_id).status_code == 200

    def services() -> set[str]:
        lines = suite.run("logs", "--request", request_id).stdout.splitlines()
        return {json.loads(line)["service"] for line in lines}

    wait_until(lambda: services() == {"nginx", "gateway", "queue", "model_server"}, what="all four have logged it")


def test_every_answered_request_is_counted_once(suite: RunningSuite) -> None:
    def counted() -> int:
        rows = json.loads(suite.run("usage", "--json").stdout)["rows"]
        return sum(int(row["requests"]) for row in rows)

    settled: list[int] = []

    def is_settled() -> bool:
        settled.append(counted())
        return len(settled) > 3 and len(set(settled[-3:])) == 1

    wait_until(is_settled, timeout_s=60, what="usage of earlier requests is written")
    before = settled[-1]

    for _ in range(7):
        assert suite.post(pictures.path("coffee").read_bytes(), key=DETECTOR).status_code == 200

    wait_until(lambda: counted() >= before + 7, timeout_s=60, what="usage is written")
    assert counted() == before + 7
