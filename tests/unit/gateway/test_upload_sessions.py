"""Uploads over HTTP, in this process: they are listed, and past their bounds it is said what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.settings import Settings
from tests.unit.gateway.conftest import Gateway

UPLOADS = "/api/vision/v3/uploads"


@pytest.fixture
def gateway(gateway: Gateway, tmp_path: Path) -> Gateway:
    gateway.settings = Settings(jobs_folder=tmp_path)
    return gateway


def test_past_their_number_it_is_said_how_to_end_one(gateway: Gateway) -> None:
    client = gateway.client
    made = [client.post(UPLOADS).json for _ in range(3)]

    refused = client.post(UPLOADS)
    listed = client.get(UPLOADS).json["uploads"]
    ended = client.delete(listed[0]["location"])
    again = client.post(UPLOADS)

    assert refused.status_code == 429
    assert "DELETE /uploads/<id>" in refused.json["detail"]
    assert [upload["id"] for upload in listed] == [upload["id"] for upload in made]
    assert (ended.status_code, again.status_code) == (200, 201)


def test_they_are_listed_with_what_they_hold(gateway: Gateway) -> None:
    client = gateway.client
    made = client.post(UPLOADS).json
    client.put(f"{made['location']}/files/a.gif", data=b"abc")

    [listed] = client.get(UPLOADS).json["uploads"]

    assert (listed["location"], listed["files"], listed["size"]) == (made["location"], 1, 3)


def test_past_their_bytes_together_413_says_so(gateway: Gateway) -> None:
    client = gateway.client
    locations = [client.post(UPLOADS).json["location"] for _ in range(3)]

    answers = [client.put(f"{where}/files/a.gif", data=bytes(900_000)) for where in locations]

    assert [answer.status_code for answer in answers] == [200, 200, 413]
    assert "together" in answers[2].json["detail"]
