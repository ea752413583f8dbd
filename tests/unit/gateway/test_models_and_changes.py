"""Models as they are shown, and how they are changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from chassis.errors import Conflict, NotFound, Unavailable, WrongState
from services.gateway.settings import Settings
from services.registry.client import modelinfo_json
from tests.fakes_gateway import model
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3


def keys(response: TestResponse) -> list[str]:
    assert response.json is not None
    return [f"{m['org_name']}-{m['problem_id']}-{m['rel_num']}" for m in response.json["models"]]


@pytest.mark.parametrize("base", [V2, V3])
def test_models_are_listed_by_organisation_and_problem(gateway: Gateway, base: str) -> None:
    gateway.models.known = [model("acme-a-1"), model("acme-a-2"), model("acme-b-1"), model("zoo-a-1")]
    client = gateway.client

    assert keys(client.get(f"{base}/models")) == ["acme-a-1", "acme-a-2", "acme-b-1", "zoo-a-1"]
    assert keys(client.get(f"{base}/models/acme")) == ["acme-a-1", "acme-a-2", "acme-b-1"]
    for path in ("acme/a", "acme-a"):
        assert keys(client.get(f"{base}/models/{path}")) == ["acme-a-1", "acme-a-2"]
    for path in ("acme/a/2", "acme-a-2"):
        shown = client.get(f"{base}/models/{path}").json
        assert shown is not None
        assert (shown["problem_id"], shown["rel_num"], shown["task"]) == ("a", "2", "bbox")


@pytest.mark.parametrize(
    ("path", "status"), [("nobody", 404), ("acme/x", 404), ("acme-x", 404), ("acme/coco_things/9", 404),
                         ("acme-coco_things-9", 404), ("a-b-c-d", 400), ("a--b", 400), ("%00-a", 400)]
)  # fmt: skip
def test_unknown_models_are_not_found(gateway: Gateway, path: str, status: int) -> None:
    assert gateway.client.get(f"{V3}/models/{path}").status_code == status


def test_the_list_names_the_defaults(gateway: Gateway) -> None:
    listed = gateway.client.get(f"{V3}/models").json

    assert listed is not None
    assert listed["defaults"] == {"bbox": "acme-coco_things-1"}


def test_models_that_were_never_learnt_are_unavailable(gateway: Gateway) -> None:
    gateway.models.away = Unavailable("the models are not known yet", retry_after_s=1.0)

    response = gateway.client.get(f"{V3}/models")

    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")


def test_a_model_is_published_released_made_the_default_and_retired(gateway: Gateway) -> None:
    client = gateway.client
    document = json.loads(modelinfo_json(model("acme-new-1")))

    published = client.post(f"{V3}/models", json=document, headers={"X-Actor": "ada"})
    released = client.post(f"{V3}/models/acme-new-1/release", json={})
    default = client.put(f"{V3}/defaults/bbox", json={"key": "acme-new"})
    retired = client.post(f"{V3}/models/acme-new-1/retire", json={})

    assert [r.status_code for r in (published, released, default, retired)] == [201, 200, 200, 200]
    assert gateway.registry.calls == [
        ("publish", "acme-new-1", "ada"),
        ("set_status", "acme-new-1", "released", "admin"),
        ("set_default", "bbox", "acme-new", "admin"),
        ("set_status", "acme-new-1", "retired", "admin"),
    ]


def test_what_the_registry_refuses_is_told(gateway: Gateway) -> None:
    for error in (Conflict("another"), NotFound("none"), WrongState("no move"), Unavailable("away")):
        gateway.registry.error = error

        response = gateway.client.post(f"{V3}/models/acme-new-1/release", json={})

        assert response.status_code == error.status
        assert response.json is not None
        assert response.json["detail"] == error.detail


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "models", b""),
        ("POST", "models", b"[" * 100_000),
        ("POST", "models", b'{"org_name": 5}'),
        ("POST", "models", b'{"surprise": 1}'),
        ("POST", "models", b'{"org_name": "\xff"}'),
        ("POST", "models/acme-new-1/release", b'{"on": "\xff"}'),
        ("PUT", "defaults/bbox", b"{}"),
        ("PUT", "defaults/bbox", b'{"key": "a-b", "more": 1}'),
        ("PUT", "defaults/bbox", b'{"key": ' + b"[" * 100_000),
        ("PUT", "defaults/bbox", b'{"key": "\xff"}'),
        ("PUT", "defaults/dance", b'{"key": "a-b"}'),
    ],
)
def test_a_malformed_change_is_a_bad_request(gateway: Gateway, method: str, path: str, body: bytes) -> None:
    response = gateway.client.open(f"{V3}/{path}", method=method, data=body, content_type="application/json")

    assert response.status_code == 400
    assert gateway.registry.calls == []


def test_a_document_beyond_a_mebibyte_is_too_large(gateway: Gateway) -> None:
    response = gateway.client.post(f"{V3}/models", data=b" " * (2**20 + 1), content_type="application/json")

    assert response.status_code == 413


def change(gateway: Gateway, **how: Any) -> int:
    return gateway.client.post(f"{V3}/models/acme-new-1/release", **how).status_code


def test_a_change_must_be_json_so_that_no_page_sends_it_unasked(gateway: Gateway) -> None:
    assert change(gateway) == 415
    assert change(gateway, data="{}", content_type="text/plain") == 415


def test_changes_need_the_admin_token_where_there_is_one(gateway: Gateway) -> None:
    gateway.settings = Settings(admin_token="s3cret")

    assert change(gateway, json={}) == 401
    assert change(gateway, json={}, headers={"Authorization": "Bearer wrong"}) == 401
    assert change(gateway, json={}, headers={"Authorization": "Bearer s3cret"}) == 200


def test_without_a_token_only_loopback_takes_changes(gateway: Gateway) -> None:
    gateway.settings = Settings(gateway_address="0.0.0.0:8080", api_keys="off", open_to_all=True)

    assert change(gateway, json={}) == 403
    assert gateway.registry.calls == []
