"""Reports, demands and history over HTTP: what the gateway asks of the registry, and for whom."""

from __future__ import annotations

import pytest

from chassis.errors import WrongState
from chassis.rpc import registry_pb2 as pb
from services.gateway.settings import Settings
from services.registry.client import Report
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V3

KEY = "acme-coco_things-1"
REPORT = Report(
    id="evaluate-1",
    model_key=KEY,
    kind="evaluation",
    figures={"mAP": 0.3},
    set_name="street",
    set_sha256="ab",
    made_at_ms=1_700_000_000_000,
    actor="ann",
    document=b'{"figures":{"mAP":0.3}}',
)


def test_reports_are_listed_with_their_figures(gateway: Gateway) -> None:
    gateway.registry.known_reports = [REPORT]

    [listed] = gateway.client.get(f"{V3}/reports", query_string={"model": KEY}).json["reports"]

    assert gateway.registry.calls == [("reports", KEY)]
    assert (listed["id"], listed["model"], listed["set"], listed["by"]) == ("evaluate-1", KEY, "street", "ann")
    assert (listed["made"], listed["figures"]) == ("2023-11-14T22:13:20Z", {"mAP": 0.3})


def test_a_report_is_shown_as_it_was_made(gateway: Gateway) -> None:
    gateway.registry.known_reports = [REPORT]

    assert gateway.client.get(f"{V3}/reports/evaluate-1").data == REPORT.document


def test_what_a_release_would_be_accepted_on(gateway: Gateway) -> None:
    query = {"model": KEY, "require": ["mAP>=0.2", "mAP_50>0.3"], "on": "street"}

    told = gateway.client.get(f"{V3}/acceptance", query_string=query).json

    assert gateway.registry.calls == [("acceptance", KEY, ["mAP>=0.2", "mAP_50>0.3"], "street")]
    assert told == {"model": KEY, "report": "evaluate-1", "set": "street", "met": ["mAP 0.3 >= 0.2"]}


def test_a_demand_that_is_not_met_is_a_conflict_with_the_figures(gateway: Gateway) -> None:
    gateway.registry.error = WrongState("mAP is 0.3, demanded is mAP>=0.4")

    response = gateway.client.get(f"{V3}/acceptance", query_string={"model": KEY, "require": "mAP>=0.4"})

    assert response.status_code == 409
    assert response.json["detail"] == "mAP is 0.3, demanded is mAP>=0.4"


def test_demands_go_with_a_release(gateway: Gateway) -> None:
    demands = {"require": ["mAP>=0.2"], "on": "street"}

    assert gateway.client.post(f"{V3}/models/{KEY}/release", json=demands).status_code == 200
    assert gateway.client.post(f"{V3}/models/{KEY}/release", json={}).status_code == 200
    assert gateway.registry.calls == [
        ("set_status", KEY, "released", "admin", {"require": ("mAP>=0.2",), "on_set": "street"}),
        ("set_status", KEY, "released", "admin"),
    ]


@pytest.mark.parametrize("body", ['{"require": "mAP>=0.2"}', '{"demand": []}', "[]", "{"])
def test_a_release_that_says_something_else_is_refused(gateway: Gateway, body: str) -> None:
    response = gateway.client.post(f"{V3}/models/{KEY}/release", data=body, content_type="application/json")

    assert response.status_code == 400
    assert '"require": ["mAP>=0.20"]' in response.json["detail"]
    assert gateway.registry.calls == []


def test_the_history_tells_who_released_what_on_which_figures(gateway: Gateway) -> None:
    entry = pb.HistoryEntry(key=KEY, action="status", actor="bob", at_ms=1_700_000_000_000, before="published")
    entry.after, entry.detail = "released", "mAP 0.3 >= 0.2 on street (report evaluate-1)"
    gateway.registry.entries = [entry]

    [deed] = gateway.client.get(f"{V3}/history", query_string={"model": KEY}).json["history"]

    assert (deed["by"], deed["action"], deed["before"], deed["after"]) == ("bob", "status", "published", "released")
    assert (deed["at"], deed["detail"]) == ("2023-11-14T22:13:20Z", entry.detail)


@pytest.mark.parametrize("path", ["/reports", "/reports/evaluate-1", "/acceptance", "/history"])
def test_they_are_for_operators(path: str) -> None:
    gateway = Gateway(Settings(admin_token="root's"))

    refused = gateway.client.get(V3 + path)

    assert refused.status_code in (401, 403)
    assert gateway.registry.calls == []
