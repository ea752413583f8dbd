"""The API's description, made from the code."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chassis.errors import Unavailable
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3, post

NOT_SAID = {"/", "/docs", "/static/<name>", "/openapi.json"}


@pytest.fixture
def api(gateway: Gateway) -> dict[str, Any]:
    document = gateway.client.get("/openapi.json").json
    assert document is not None
    return document


def test_every_address_but_the_pages_is_described(gateway: Gateway, api: dict[str, Any]) -> None:
    rules = {rule.rule for rule in gateway.app.url_map.iter_rules()} - NOT_SAID

    assert {re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", rule) for rule in rules} == set(api["paths"])


def test_each_operation_says_what_it_does_under_a_name_of_its_own(api: dict[str, Any]) -> None:
    operations = [operation for path in api["paths"].values() for operation in path.values()]

    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"].endswith((".", ":")) or "`" in operation["summary"] for operation in operations)
    assert all("500" in operation["responses"] for operation in operations)


def test_every_type_that_is_named_is_there(api: dict[str, Any]) -> None:
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(api)))

    assert named
    assert named <= set(api["components"]["schemas"])


def test_every_parameter_in_a_path_is_described(api: dict[str, Any]) -> None:
    for path, methods in api["paths"].items():
        for operation in methods.values():
            described = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert described == set(re.findall(r"{(\w+)}", path))


def test_what_comes_before_a_view_is_described_with_each(api: dict[str, Any]) -> None:
    for path, methods in api["paths"].items():
        for operation in methods.values():
            wanted = {"405", "500"}
            wanted |= set() if operation.get("security") == [] else {"401", "403", "503"}
            wanted |= {"400", "408", "413", "415", "503"} if "requestBody" in operation else set()
            assert wanted <= set(operation["responses"]), path


def test_a_status_is_called_what_it_is_and_has_its_header(api: dict[str, Any]) -> None:
    told = {
        "401": "WWW-Authenticate",
        "405": "Allow",
        "416": "Content-Range",
        "429": "Retry-After",
        "503": "Retry-After",
    }
    for path, methods in api["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                assert (answer["description"] == "OK") == (status == "200"), path
                assert status not in told or told[status] in answer["headers"], path


def test_what_is_accepted_says_where_it_is_looked_at(api: dict[str, Any]) -> None:
    for path in (f"{V3}/jobs", f"{V3}/predict"):
        answer = api["paths"][path]["post"]["responses"]["202"]
        assert answer["description"].startswith("Accepted")
        assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/JobRef")
        assert "Location" in answer["headers"]
    assert "Location" in api["paths"][f"{V3}/uploads"]["post"]["responses"]["201"]["headers"]


def test_a_model_that_is_not_ready_is_described_as_it_is_answered(gateway: Gateway, api: dict[str, Any]) -> None:
    not_served = gateway.client.get("/v2/models/acme-coco_things/ready")
    gateway.models.away = Unavailable("the models are not known yet")
    not_known = gateway.client.get("/v2/models/acme-coco_things/ready")

    answer = api["paths"]["/v2/models/{name}/ready"]["get"]["responses"]["503"]
    assert {"text/plain", "application/json"} <= set(answer["content"])
    assert [(one.status_code, one.mimetype, one.text) for one in (not_served, not_known)] == [
        (503, "text/plain", ""),
        (503, "application/json", '{"error":"the models are not known yet"}'),
    ]
    assert not_served.headers["Retry-After"] == not_known.headers["Retry-After"] == "1"


def test_what_is_always_refused_has_no_answer_but_errors(api: dict[str, Any]) -> None:
    for responses in (m["post"]["responses"] for path, m in api["paths"].items() if "/repository/models/" in path):
        assert min(responses) == "400"


@pytest.mark.parametrize(("base", "name"), [(V2, "EnvelopeV2"), (V3, "EnvelopeV3")])
def test_an_answer_has_just_the_members_that_are_described(
    gateway: Gateway, api: dict[str, Any], base: str, name: str
) -> None:
    answer = post(gateway.client, f"{base}/predict").json

    assert answer is not None
    assert set(answer) == set(api["components"]["schemas"][name]["properties"])


def test_tasks_are_the_choices_of_the_path(api: dict[str, Any]) -> None:
    [task] = [p for p in api["paths"][f"{V3}/predict/{{task}}"]["post"]["parameters"] if p["name"] == "task"]

    assert task["schema"]["enum"] == ["bbox", "polygon", "lane", "classify"]


def test_the_pages_to_read_it_need_nothing_from_outside(gateway: Gateway) -> None:
    client = gateway.client
    texts = [client.get(path).text for path in ("/docs", "/static/docs.js", "/static/docs.css")]

    assert "openapi.json" in texts[0] + texts[1]
    assert not any(re.findall(r"https?://", text) for text in texts)
