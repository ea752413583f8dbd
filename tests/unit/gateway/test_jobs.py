"""Asynchronous predictions over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from chassis.errors import Unavailable
from services.gateway.settings import Settings
from tests.fakes_gateway import answer, model, png, prediction, problem
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3, post

ASYNC = {"Prefer": "respond-async, wait=10"}


def job_of(response: TestResponse) -> str:
    assert response.status_code == 202
    assert response.json
    assert response.headers["Location"] == response.json["location"] == f"{V3}/jobs/{response.json['id']}"
    return response.headers["Location"]


def test_a_request_that_prefers_it_is_answered_at_once_and_its_answer_fetched(gateway: Gateway) -> None:
    client = gateway.client
    now: Any = post(client, f"{V3}/predict/bbox", headers={"X-Request-Id": "mine"}).json

    accepted = post(client, f"{V3}/predict/bbox", headers={**ASYNC, "X-Request-Id": "mine"})
    told: Any = client.get(job_of(accepted)).json

    assert accepted.headers["Preference-Applied"] == "respond-async"
    assert (told["state"], told["request_id"]) == ("done", "mine")
    assert told["images"] == {"waiting": 0, "running": 0, "answered": 1, "cancelled": 0}
    answer = told["answer"]
    assert answer.keys() == now.keys()
    assert answer["timings"].keys() == now["timings"].keys()
    assert answer["result"]["street.png"]["regions"] == now["result"]["street.png"]["regions"]
    assert {name: answer[name] for name in ("type", "model", "queue")} == {
        name: now[name] for name in ("type", "model", "queue")
    }


def test_a_job_names_its_task_in_the_form_or_the_query(gateway: Gateway) -> None:
    client = gateway.client

    by_form = client.get(job_of(post(client, f"{V3}/jobs", task="lane", q="acme-lanes-3"))).json
    by_query = client.get(job_of(post(client, f"{V3}/jobs?task=polygon&q=acme-shapes"))).json
    default = client.get(job_of(post(client, f"{V3}/jobs"))).json

    assert [told["model"]["task"] for told in (by_form, by_query, default) if told] == ["lane", "polygon", "bbox"]
    assert post(client, f"{V3}/jobs?task=tensor").status_code == 400


def test_looked_at_again_a_job_says_the_same(gateway: Gateway) -> None:
    client = gateway.client
    where = job_of(post(client, f"{V3}/jobs"))

    first, second = client.get(where).json, client.get(where).json

    assert first and second
    assert first == second


def test_a_job_that_waits_says_its_place_and_can_be_cancelled(gateway: Gateway) -> None:
    gateway.queue.waits = True
    client = gateway.client
    where = job_of(post(client, f"{V3}/jobs", ("a.png", png()), ("b.png", png())))

    waiting: Any = client.get(where).json
    cancelled = client.delete(where)

    assert (waiting["state"], waiting["place"], waiting["left_s"]) == ("queued", 7, 1.5)
    assert cancelled.status_code == 200
    assert cancelled.json
    assert (cancelled.json["state"], cancelled.json["images"]["cancelled"]) == ("cancelled", 2)
    assert cancelled.json["problem"]["status"] == 409
    assert "answer" not in cancelled.json
    assert client.delete(where).status_code == 409


def test_bad_images_of_a_job_have_their_own_problems(gateway: Gateway) -> None:
    client = gateway.client

    told: Any = client.get(job_of(post(client, f"{V3}/jobs", ("a.png", png()), ("b.txt", b"text")))).json
    nothing = post(client, f"{V3}/jobs", ("b.txt", b"text"))

    assert told["state"] == "done"
    assert told["answer"]["result"]["b.txt"]["problem"]["status"] == 415
    assert told["answer"]["result"]["a.png"]["regions"]
    assert nothing.status_code == 415
    assert len(gateway.queue.jobs) == 1


def test_a_job_without_any_prediction_has_the_problem(gateway: Gateway) -> None:
    gateway.queue.answer_to = lambda payload: answer(504 if len(payload) > 80 else 422, problem("No", "why"))
    client = gateway.client

    told: Any = client.get(job_of(post(client, f"{V3}/jobs", ("a.png", png()), ("b.png", png(400, 300))))).json

    assert told["state"] == "failed"
    assert told["problem"] == {"status": 504, "title": "No", "detail": "why"}
    assert set(told["problems"]) == {"a.png", "b.png"}


def test_what_a_job_asks_for_reaches_the_queue(gateway: Gateway) -> None:
    headers = {"X-Request-Timeout-S": "3600", "X-Priority": "batch", "Idempotency-Key": "k"}

    post(gateway.client, f"{V3}/jobs", headers=headers)
    post(gateway.client, f"{V3}/jobs")

    [first, second] = gateway.queue.calls
    assert 3500 < first.timeout_s <= 3600
    assert (first.priority, first.idempotency_key, first.task) == ("batch", "k", "bbox")
    assert (590 < second.timeout_s <= 600, second.priority) == (True, "interactive")
    assert post(gateway.client, f"{V3}/jobs", headers={"X-Request-Timeout-S": "1e9"}).status_code == 400


@pytest.mark.parametrize("id", ["0" * 32, "x", "0" * 31, "a" * 200, "%00"])
def test_an_unknown_job_is_not_found(gateway: Gateway, id: str) -> None:
    assert gateway.client.get(f"{V3}/jobs/{id}").status_code == 404
    assert gateway.client.delete(f"{V3}/jobs/{id}").status_code == 404


def test_while_the_queue_is_away_jobs_are_too(gateway: Gateway) -> None:
    gateway.queue.away = Unavailable("the queue is away", retry_after_s=1.0)

    responses = [gateway.client.get(f"{V3}/jobs/{'0' * 32}"), post(gateway.client, f"{V3}/jobs")]

    assert [(one.status_code, one.headers["Retry-After"]) for one in responses] == [(503, "1")] * 2


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"kind": "dance"}', b'{"kind": "predict", "source": "\xff"}', b'{"x": ' + b"[" * 100_000]
)
def test_a_malformed_background_job_is_a_bad_request(gateway: Gateway, body: bytes) -> None:
    response = gateway.client.post(f"{V3}/jobs", data=body, content_type="application/json")

    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"


def test_version_2_always_waits(gateway: Gateway) -> None:
    assert post(gateway.client, f"{V2}/predict/bbox", headers=ASYNC).status_code == 200


def test_a_job_is_told_though_its_model_is_gone(gateway: Gateway) -> None:
    gateway.queue.answer_to = lambda _: answer(body=prediction())
    client = gateway.client
    where = job_of(post(client, f"{V3}/jobs"))
    gateway.models.known = [model("acme-other-1")]

    told: Any = client.get(where).json

    assert told["answer"]["dnnarch"] == "ssd_mobilenet_v2"


def test_a_job_is_told_to_the_client_that_submitted_it_only(gateway: Gateway) -> None:
    gateway.settings = Settings(api_keys="on", admin_token="root's")
    gateway.keys.give("ann's")
    gateway.keys.give("ann's other")
    gateway.keys.give("bob's", client_id="bob")
    client = gateway.client
    where = job_of(post(client, f"{V3}/jobs", headers={"X-Api-Key": "ann's"}))

    seen = {
        key: client.get(where, headers={"X-Api-Key": key}).status_code
        for key in ("ann's", "ann's other", "bob's", "root's")
    }

    assert seen == {"ann's": 200, "ann's other": 200, "bob's": 404, "root's": 404}
    assert client.delete(where, headers={"X-Api-Key": "bob's"}).status_code == 404
    assert client.get(where).status_code == 401
