"""The API's description, made from the code."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

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
