"""Clients of a running suite and their keys, with the command, as an operator has it."""

from __future__ import annotations

import json

import httpx

from demo import pictures
from tests.e2e.conftest import DETECTOR
from tests.e2e.running import RunningSuite
from tests.parts import wait_until

ELSEWHERE = {"X-Forwarded-For": "203.0.113.9"}  # what a proxy says of a request from another machine


def predict(suite: RunningSuite, token: str) -> httpx.Response:
    """Ask the gateway as a client on another machine does."""
    url = f"http://127.0.0.1:{suite.ports['gateway']}/api/vision/v3/predict/bbox?q={DETECTOR}"
    headers = {**ELSEWHERE, "Authorization": f"Bearer {token}"}
    return httpx.post(url, files={"image": pictures.path("coffee").read_bytes()}, headers=headers, timeout=60)


def test_a_key_is_made_used_counted_rotated_and_revoked(suite: RunningSuite) -> None:
    made = suite.run("keys", "create", "ann", "--name", "her camera", "--model", "demo-*", "--per-day", "50")
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    key = token.split("_")[1]
    wait_until(lambda: predict(suite, token).status_code == 200, what="the key is taken")
    assert predict(suite, token + "x").status_code == 401

    listed = suite.run("keys", "list", "--client", "ann")
    assert (listed.returncode, key in listed.stdout, "her camera" in listed.stdout) == (0, True, True)
    assert token not in listed.stdout + suite.run("keys", "list", "--all", "--json").stdout

    turned = suite.run("keys", "rotate", token, "--grace", "1h", "--json")
    newer = json.loads(turned.stdout)["token"]
    wait_until(lambda: predict(suite, newer).status_code == 200, what="the new token is taken")
    assert predict(suite, token).status_code == 200

    assert suite.run("keys", "revoke", key).returncode == 0
    wait_until(lambda: predict(suite, newer).status_code == 401, what="the key is revoked")
    wait_until(lambda: used(suite) >= 3, what="its usage is counted")
    assert "ann" in suite.run("usage", "--by", "client").stdout


def used(suite: RunningSuite) -> int:
    rows = json.loads(suite.run("usage", "--by", "client", "--client", "ann", "--json").stdout)["rows"]
    return sum(row["images"] for row in rows)


def test_what_is_no_key_is_refused_with_words(suite: RunningSuite) -> None:
    wrong = suite.run("keys", "create", "a b", "--rate", "-1")
    unknown = suite.run("keys", "revoke", "0123456789ab")

    assert wrong.returncode == 3 and "client_id: " in wrong.stderr and "requests_per_s: " in wrong.stderr
    assert unknown.returncode == 3 and "no such API key" in unknown.stderr
