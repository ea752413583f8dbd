"""What operators see and do of queues and quarantines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chassis.errors import Unavailable
from services.gateway.settings import Settings
from services.queue.broker import Meta
from services.queue.client import QuarantinedItem, QueueView
from services.queue.history import Failure
from tests.fakes_gateway import answer, problem
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V3

ID = "1700000000000-0"
HERE = f"{V3}/queue/acme-coco_things-1/quarantine"


def item(id: str = ID, payload: bytes = b"\xff\xd8poison") -> QuarantinedItem:
    meta = Meta("r-1", "", "acme-coco_things-1", "bbox", "interactive", "replies", 1, 0, 8)
    failures = [Failure(replica="127.0.0.1:8501", reason="the model server ended", at_s=1.7e9)]
    return QuarantinedItem(id, meta.model, datetime(2026, 1, 2, tzinfo=UTC), meta, payload, failures)


@pytest.fixture
def poisoned(gateway: Gateway) -> Gateway:
    gateway.operator.items = [item(), item("1700000000001-0")]
    return gateway


def test_the_overview_has_a_row_for_each_model(gateway: Gateway) -> None:
    gateway.operator.views = [QueueView("acme-a-1", 3, 1, 0, 8, 500, 0.2, 0, "d1", 2, 80.0, [[0.1]], {})]

    shown = gateway.client.get(f"{V3}/queue").json

    assert shown is not None
    assert [(q["model"], q["interactive"], q["replicas"]) for q in shown["queues"]] == [("acme-a-1", 3, 2)]


def test_given_up_items_are_listed_and_shown_with_their_failures(poisoned: Gateway) -> None:
    client = poisoned.client

    listed = client.get(HERE).json
    one = client.get(f"{HERE}/{ID}").json

    assert listed is not None
    assert one is not None
    assert [entry["id"] for entry in listed["items"]] == [ID, "1700000000001-0"]
    assert (one["request_id"], one["task"], one["bytes"]) == ("r-1", "bbox", 8)
    assert one["failures"][0]["reason"] == "the model server ended"


def test_bytes_that_went_with_their_gateway_are_missed_and_told_so(gateway: Gateway) -> None:
    gateway.operator.items = [item(payload=b"")]

    response = gateway.client.get(f"{HERE}/{ID}/payload")

    assert response.status_code == 404
    assert "its gateway ended" in response.json["detail"]
    assert gateway.client.get(f"{HERE}/{ID}").json["bytes"] == 8


def test_the_bytes_of_an_item_come_as_a_file(poisoned: Gateway) -> None:
    response = poisoned.client.get(f"{HERE}/{ID}/payload")

    assert response.data == b"\xff\xd8poison"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.mimetype == "application/octet-stream"


def test_an_item_that_is_answered_when_replayed_leaves_the_quarantine(poisoned: Gateway) -> None:
    client = poisoned.client

    replayed = client.post(f"{HERE}/{ID}/replay", json={})

    assert replayed.json == {"id": ID, "answered": True}
    assert poisoned.queue.payloads[0] == [b"\xff\xd8poison"]
    assert [left.id for left in poisoned.operator.items] == ["1700000000001-0"]


@pytest.mark.parametrize(("status", "left"), [(500, 1), (504, 2)])
def test_an_item_that_fails_again_has_its_entry_anew_and_one_that_was_not_tried_stays(
    poisoned: Gateway, status: int, left: int
) -> None:
    poisoned.queue.answer_to = lambda _: answer(status, problem("Model failed on this input", "again"))

    replayed = poisoned.client.post(f"{HERE}/{ID}/replay", json={}).json

    assert replayed is not None
    assert (replayed["answered"], replayed["problem"]["detail"]) == (False, "again")
    assert len(poisoned.operator.items) == left


def test_items_are_dropped_one_by_one_or_all(poisoned: Gateway) -> None:
    client = poisoned.client

    one = client.delete(f"{HERE}/{ID}", json={})
    gone = client.delete(f"{HERE}/{ID}", json={})
    rest = client.delete(HERE, json={})

    assert (one.json, gone.status_code, rest.json) == ({"dropped": 1}, 404, {"dropped": 1})


@pytest.mark.parametrize("id", ["7-7", "-", "+", "x", "1700000000000-0%20"])
def test_an_unknown_item_is_not_found(poisoned: Gateway, id: str) -> None:
    assert poisoned.client.get(f"{HERE}/{id}").status_code == 404


def test_all_of_it_is_for_operators_only(poisoned: Gateway) -> None:
    poisoned.settings = Settings(admin_token="s3cret")
    client = poisoned.client

    for path in (f"{V3}/queue", HERE, f"{HERE}/{ID}/payload", f"{V3}/usage"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_redis_away_is_unavailable(poisoned: Gateway) -> None:
    poisoned.queue.refusal = Unavailable("the queue is away")

    assert poisoned.client.post(f"{HERE}/{ID}/replay", json={}).status_code == 503
