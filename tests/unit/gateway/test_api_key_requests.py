"""API keys at the gateway: who needs one, what it allows, how its quota is told, how operators make and end them."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.errors import NotFound, TooBusy, Unavailable
from services.gateway.api_keys import token_of
from services.gateway.rate_limits import rate_limit_headers
from services.gateway.settings import Settings
from services.queue.client import Claim, Standing, quota_for
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3, post

BBOX = f"{V3}/predict/bbox"
PUBLIC = "0.0.0.0:8080"
ANN = {"X-Api-Key": "ann's"}


@pytest.fixture
def keyed(gateway: Gateway) -> Gateway:
    """A gateway that asks for keys, and knows one of ann's."""
    gateway.settings = Settings(api_keys="on", admin_token="root's")
    gateway.keys.give("ann's")
    return gateway


@pytest.mark.parametrize(
    "path", [f"{V3}/models", f"{V2}/models", f"{V3}/usage", f"{V3}/queue", f"{V3}/keys", "/v2/models/acme-coco_things"]
)
def test_without_a_key_nothing_is_told(keyed: Gateway, path: str) -> None:
    response = keyed.client.get(path)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health/live", "/v2/health/live", "/v2", f"{V3}/"])
def test_what_concerns_nobody_needs_no_key(keyed: Gateway, path: str) -> None:
    assert keyed.client.get(path).status_code == 200


def test_a_browser_asks_leave_without_a_key(keyed: Gateway) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}

    response = keyed.client.options(BBOX, headers=asked)

    assert response.status_code == 200
    assert "X-Api-Key" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer ann's"}, 200),
        ({"Authorization": "bearer  ann's "}, 200),
        ({"X-Api-Key": "ann's"}, 200),
        ({"Authorization": "Basic ann's"}, 401),
        ({"Authorization": "Bearer bob's"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"X-Api-Key": ""}, 401),
        ({"X-Api-Key": "ö"}, 401),
        ({"Authorization": "Bearer root's"}, 200),
        ({"Authorization": "Bearer root'"}, 401),
        ({"Authorization": "Bearer r"}, 401),
        ({"Authorization": "Bearer root's2"}, 401),
        ({"Authorization": "Bearer ROOT'S"}, 401),
    ],
)
def test_a_key_comes_in_either_header(keyed: Gateway, headers: dict[str, str], status: int) -> None:
    assert post(keyed.client, BBOX, headers=headers).status_code == status


def test_a_missing_or_wrong_key_is_refused_before_the_body_is_read(keyed: Gateway) -> None:
    response = keyed.client.post(BBOX, data=b"no form at all", headers={"X-Api-Key": "bob's"})

    assert response.status_code == 401
    assert response.json
    assert "bob's" not in response.text


def test_keys_that_were_never_learnt_are_unavailable(keyed: Gateway) -> None:
    keyed.keys.away = Unavailable("the API keys are not known yet", retry_after_s=1.0)

    assert post(keyed.client, BBOX, headers=ANN).status_code == 503


def test_the_queue_is_told_the_keys_client_class_and_weight(keyed: Gateway) -> None:
    keyed.keys.give("batch", client_id="night", priority="batch", weight=0.5)
    post(keyed.client, BBOX, headers={"X-Api-Key": "batch"})
    post(keyed.client, BBOX, headers={**ANN, "X-Priority": "batch"})
    post(keyed.client, BBOX, headers=ANN)

    told = [(call.client_id, call.priority, call.weight, call.claim) for call in keyed.queue.calls]
    assert told == [("night", "batch", 0.5, None), ("ann", "batch", 1.0, None), ("ann", "interactive", 1.0, None)]


@pytest.mark.parametrize(("asked", "status"), [("interactive", 403), ("urgent", 400), ("batch", 200)])
def test_a_class_above_the_keys_own_is_forbidden(keyed: Gateway, asked: str, status: int) -> None:
    keyed.keys.give("batch", priority="batch")

    assert post(keyed.client, BBOX, headers={"X-Api-Key": "batch", "X-Priority": asked}).status_code == status


def test_a_model_that_the_key_does_not_allow_is_forbidden_an_unknown_one_is_not_found(keyed: Gateway) -> None:
    keyed.keys.give("lanes", models=("acme-lanes",))
    lanes = {"X-Api-Key": "lanes"}

    assert post(keyed.client, f"{V3}/predict/lane", headers=lanes, q="acme-lanes-3").status_code == 200
    assert post(keyed.client, BBOX, headers=lanes, q="acme-coco_things-1").status_code == 403
    assert post(keyed.client, BBOX, headers=lanes, q="acme-nobody-1").status_code == 404
    assert keyed.client.post("/v2/models/acme-coco_things/infer", headers=lanes, json=ONES).status_code == 403


def test_a_job_by_a_model_that_the_key_does_not_allow_is_forbidden(keyed: Gateway) -> None:
    keyed.keys.give("lanes", models=("acme-lanes",))

    refused = keyed.client.post(f"{V3}/jobs", json=JOB, headers={"X-Api-Key": "lanes"})
    missing = keyed.client.post(f"{V3}/jobs", json=JOB, headers=ANN)

    assert (refused.status_code, missing.status_code) == (403, 404)
    assert "may not use acme-coco_things-1" in refused.text


def test_only_clients_of_whom_it_is_said_have_jobs_done(keyed: Gateway) -> None:
    keyed.settings = Settings(api_keys="on", admin_token="root's", jobs_clients=("bob",))
    keyed.keys.give("bob's", client_id="bob")

    tokens = ("ann's", "bob's", "root's")
    answers = [keyed.client.post(f"{V3}/jobs", json=JOB, headers={"X-Api-Key": token}) for token in tokens]

    assert [answer.status_code for answer in answers] == [403, 404, 404]
    assert "SERVOIR_JOBS_CLIENTS" in answers[0].text


JOB = {"kind": "predict", "model": "acme-coco_things-1", "task": "bbox", "source": "upload:" + "0" * 32}
"""A job of which all is well but its source, which is not there."""

ONES = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 1]}]}


def test_a_quota_goes_with_the_request_and_what_is_left_of_it_with_the_answer(keyed: Gateway) -> None:
    keyed.keys.give("ann's", requests_per_s=2.5, requests_per_day=1000)
    keyed.queue.standing = Standing(at_once=1, whole_in_s=0.8, today=990, day_ends_in_s=3600.5)

    response = post(keyed.client, BBOX, headers=ANN)

    assert keyed.queue.calls[0].claim.quota == quota_for("id-ann's", requests_per_s=2.5, burst=3, per_day=1000)
    assert response.headers["RateLimit-Policy"] == '"rate";q=3;w=2, "day";q=1000;w=86400'
    assert response.headers["RateLimit"] == '"rate";r=1;t=1, "day";r=990;t=3601'
    names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    assert [response.headers[name] for name in names] == ["3", "1", "1"]


def test_over_its_quota_a_request_is_told_when_to_come_back(keyed: Gateway) -> None:
    keyed.keys.give("ann's", requests_per_day=10)
    keyed.queue.standing = Standing(at_once=0, whole_in_s=0, today=0, day_ends_in_s=60)
    keyed.queue.refusal = TooBusy("the 10 requests of today are used up", retry_after_s=59.2)

    response = post(keyed.client, BBOX, headers=ANN)

    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert response.headers["RateLimit"] == '"day";r=0;t=60'


def test_where_the_queue_said_nothing_no_limits_are_told() -> None:
    quota = quota_for("id", per_day=1)
    assert quota
    assert rate_limit_headers(Claim(quota)) == {}


@pytest.mark.parametrize(
    ("settings", "forwarded", "status"),
    [
        ({}, "", 200),
        ({}, "127.0.0.1", 200),
        ({}, "::1", 200),
        ({}, "203.0.113.9", 401),
        ({}, "127.0.0.1, 203.0.113.9", 401),
        ({}, "unknown", 401),
        ({"gateway_address": PUBLIC}, "", 401),
        ({"gateway_address": PUBLIC}, "127.0.0.1", 401),
        ({"api_keys": "on"}, "", 401),
        ({"api_keys": "off"}, "203.0.113.9", 200),
        ({"gateway_address": PUBLIC, "api_keys": "off", "open_to_all": True}, "203.0.113.9", 200),
    ],
)
def test_keys_are_asked_for_except_on_this_machine(
    gateway: Gateway, settings: dict[str, Any], forwarded: str, status: int
) -> None:
    gateway.settings = Settings(**settings)
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    assert post(gateway.client, BBOX, headers=headers).status_code == status


def test_a_public_gateway_without_keys_must_be_told_twice() -> None:
    with pytest.raises(ValueError, match="SERVOIR_OPEN_TO_ALL=true"):
        Settings(gateway_address=PUBLIC, api_keys="off")
    with pytest.raises(ValueError, match="SERVOIR_API_KEYS"):
        Settings(api_keys="maybe")


def test_where_no_key_is_needed_usage_is_nobodys(gateway: Gateway) -> None:
    post(gateway.client, BBOX)

    assert gateway.queue.calls[0].client_id == ""


def test_what_comes_from_elsewhere_through_a_proxy_is_no_operators(gateway: Gateway) -> None:
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}

    assert gateway.client.get(f"{V3}/queue").status_code == 200
    assert gateway.client.get(f"{V3}/queue", headers=elsewhere).status_code == 401


def test_a_client_sees_its_own_usage_only_and_an_admin_key_all(keyed: Gateway) -> None:
    keyed.keys.give("boss", client_id="ops", admin=True)
    client = keyed.client

    assert client.get(f"{V3}/usage", headers=ANN).status_code == 200
    assert client.get(f"{V3}/usage?client=ann", headers=ANN).status_code == 200
    assert client.get(f"{V3}/usage?client=bob", headers=ANN).status_code == 403
    assert client.get(f"{V3}/usage", headers={"X-Api-Key": "boss"}).status_code == 200
    assert [call[1]["client_id"] for call in keyed.registry.calls] == ["ann", "ann", ""]


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("GET", "keys", None),
        ("GET", "keys/made", None),
        ("POST", "keys", {"client_id": "bob"}),
        ("POST", "keys/made/rotate", {}),
        ("DELETE", "keys/made", {}),
        ("POST", "models", {"org_name": "a"}),
        ("POST", "models/acme-coco_things-1/release", {}),
        ("POST", "models/acme-coco_things-1/retire", {}),
        ("PUT", "defaults/bbox", {"key": "acme-coco_things"}),
        ("GET", "queue", None),
        ("GET", "history", None),
    ],
)
def test_a_clients_key_does_nothing_that_is_for_operators(
    keyed: Gateway, method: str, path: str, document: dict[str, Any] | None
) -> None:
    answer = keyed.client.open(f"{V3}/{path}", method=method, json=document, headers=ANN)

    assert answer.status_code == 403
    assert keyed.registry.calls == []


def test_operators_make_show_rotate_and_revoke_keys(keyed: Gateway) -> None:
    root, client = {"Authorization": "Bearer root's"}, keyed.client
    terms = {"client_id": "bob", "models": ["acme-*"]}

    made = client.post(f"{V3}/keys", json=terms, headers=root)
    listed = client.get(f"{V3}/keys?client=ann", headers=root)
    shown = client.get(f"{V3}/keys/made", headers=root)
    rotated = client.post(f"{V3}/keys/made/rotate", json={"grace_s": 60}, headers=root)
    revoked = client.delete(f"{V3}/keys/made", json={}, headers=root)

    statuses = [answer.status_code for answer in (made, listed, shown, rotated, revoked)]
    assert statuses == [201, 200, 200, 200, 200]
    assert made.json and rotated.json and listed.json
    assert (made.json["token"], rotated.json["token"]) == ("sv_made_secret", "sv_made_other")
    assert made.headers["Cache-Control"] == "no-store"
    assert "token" not in listed.text
    calls = [(call[0], call[-1]) for call in keyed.registry.calls]
    assert calls == [
        ("create_api_key", "admin"),
        ("api_keys", "ann"),
        ("api_keys", ""),
        ("rotate_api_key", "admin"),
        ("revoke_api_key", "admin"),
    ]


def test_an_admin_key_makes_keys_in_the_name_of_its_client(keyed: Gateway) -> None:
    keyed.keys.give("boss", client_id="ops", admin=True)

    keyed.client.post(f"{V3}/keys", json={"client_id": "bob"}, headers={"X-Api-Key": "boss", "X-Actor": "ada"})

    assert keyed.registry.calls[0][-1] == "ops ada"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("keys", b""),
        ("keys", b"[]"),
        ("keys", b'{"client_id": 5}'),
        ("keys", b'{"client_id": "a", "colour": 1}'),
        ("keys", b'{"client_id": "\xff"}'),
        ("keys", b"[" * 100_000),
        ("keys/1/rotate", b'{"\xff": 1}'),
        ("keys/1/rotate", b'{"grace_s": "\xff"}'),
    ],
)
def test_a_key_that_cannot_be_is_refused(gateway: Gateway, path: str, body: bytes) -> None:
    response = gateway.client.post(f"{V3}/{path}", data=body, content_type="application/json")

    assert response.status_code == 400
    assert gateway.registry.calls == []


def test_an_unknown_key_is_not_found(gateway: Gateway) -> None:
    assert gateway.client.get(f"{V3}/keys/nobody").status_code == 404
    gateway.registry.error = NotFound("no such API key: x")
    assert gateway.client.delete(f"{V3}/keys/x", json={}).status_code == 404
    assert gateway.client.post(f"{V3}/keys/x/rotate", json={"grace": 1}).status_code == 400


def test_the_token_of_a_request_is_what_follows_bearer() -> None:
    assert token_of({"HTTP_AUTHORIZATION": "Bearer a b"}) == "a b"
    assert token_of({"HTTP_AUTHORIZATION": "Basic x", "HTTP_X_API_KEY": "k"}) == "k"
    assert token_of({}) == ""
