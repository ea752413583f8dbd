"""Reports at the registry, and releases that depend on them, on a real MongoDB."""

from __future__ import annotations

import pytest

from chassis.errors import BadRequest, NotFound, WrongState
from services.registry.client import RegistryClient, Report
from tests.integration.registry.conftest import StartRegistry, modelinfo

KEY = "acme-coco-1"


def report(number: int = 1, **fields: object) -> Report:
    given: dict[str, object] = {
        "id": f"evaluate-{number}",
        "model_key": KEY,
        "kind": "evaluation",
        "set_name": "street",
        "set_sha256": "ab",
        "figures": {"mAP": 0.3, "AP[stop sign]": 0.5, "AP[a.b]": 0.1},
        "made_at_ms": 1000 + number,
        "actor": "ann",
        "document": b'{"figures": {}}',
    }
    return Report(**{**given, **fields})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def published(registry: RegistryClient) -> None:
    registry.publish(modelinfo("1"), actor="ann")


def test_a_report_is_kept_whole_and_linked_from_its_model(registry: RegistryClient) -> None:
    assert registry.put_report(report())

    assert registry.report("evaluate-1") == report()
    assert registry.model(KEY).reports == ("evaluate-1",)


def test_a_report_that_comes_twice_is_kept_once(registry: RegistryClient) -> None:
    assert registry.put_report(report())
    assert not registry.put_report(report(document=b"{}"))

    assert registry.report("evaluate-1").document == report().document
    assert registry.model(KEY).reports == ("evaluate-1",)
    assert [entry.action for entry in registry.history(KEY)] == ["report", "publish"]


def test_reports_are_listed_newest_first_without_their_documents(registry: RegistryClient) -> None:
    for number in (1, 3, 2):
        registry.put_report(report(number))

    listed = registry.reports(KEY)

    assert [it.id for it in listed] == ["evaluate-3", "evaluate-2", "evaluate-1"]
    assert {it.document for it in listed} == {b""}
    assert registry.reports("acme-coco-9") == []


def test_a_model_links_its_newest_reports(registry: RegistryClient) -> None:
    for number in range(25):
        registry.put_report(report(number))

    assert registry.model(KEY).reports == tuple(f"evaluate-{number}" for number in range(5, 25))
    assert len(registry.reports(KEY)) == 25


def test_bad_reports_are_refused(registry: RegistryClient) -> None:
    with pytest.raises(NotFound, match="no such model: acme-none-1"):
        registry.put_report(report(model_key="acme-none-1"))
    with pytest.raises(BadRequest, match=r"id: .*kind: 'opinion' is none of evaluation, conversion"):
        registry.put_report(report(id="a b", kind="opinion"))
    with pytest.raises(NotFound, match="no such report: evaluate-1"):
        registry.report("evaluate-1")


def test_publishing_the_same_again_keeps_the_reports(registry: RegistryClient, start_registry: StartRegistry) -> None:
    registry.put_report(report())

    again = registry.publish(modelinfo("1", reports=("forged",)), actor="ann")
    elsewhere = RegistryClient(start_registry())

    assert again.reports == ("evaluate-1",)
    assert elsewhere.model(KEY).reports == ("evaluate-1",)
    elsewhere.close()


def test_a_new_model_has_no_reports_whatever_it_says(registry: RegistryClient) -> None:
    assert registry.publish(modelinfo("2", reports=("forged",)), actor="ann").reports == ()


def test_a_release_is_refused_without_the_figures_and_nothing_changes(registry: RegistryClient) -> None:
    with pytest.raises(WrongState, match="there is no report on acme-coco-1"):
        registry.set_status(KEY, "released", actor="bob", require=["mAP>=0.2"])
    registry.put_report(report())
    with pytest.raises(WrongState, match=r"mAP is 0\.3, demanded is mAP>=0\.4"):
        registry.set_status(KEY, "released", actor="bob", require=["mAP>=0.4"])

    assert registry.model(KEY).status == "published"


def test_the_history_says_who_released_what_on_which_figures(registry: RegistryClient) -> None:
    registry.put_report(report())
    registry.put_report(report(2, set_name="night", figures={"mAP": 0.01}))

    registry.set_status(KEY, "released", actor="bob", require=["mAP>=0.2", "AP[stop sign]>0.4"], on_set="street")

    entry = registry.history(KEY)[0]
    assert (entry.actor, entry.action, entry.after) == ("bob", "status", "released")
    assert entry.detail == "mAP 0.3 >= 0.2, AP[stop sign] 0.5 > 0.4 on street (report evaluate-1)"


def test_a_release_without_demands_says_so(registry: RegistryClient) -> None:
    registry.set_status(KEY, "released", actor="bob")

    assert registry.history(KEY)[0].detail == "no report demanded"


def test_what_a_release_would_be_accepted_on_can_be_asked(registry: RegistryClient) -> None:
    registry.put_report(report())

    accepted = registry.acceptance(KEY, ["mAP>=0.2"])

    assert (accepted.report_id, accepted.set_name, list(accepted.met)) == ("evaluate-1", "street", ["mAP 0.3 >= 0.2"])
    with pytest.raises(BadRequest, match="not a demand"):
        registry.acceptance(KEY, ["good"])


def test_only_a_release_can_demand(registry: RegistryClient) -> None:
    registry.set_status(KEY, "released", actor="bob")

    with pytest.raises(BadRequest, match="only a release"):
        registry.set_status(KEY, "retired", actor="bob", require=["mAP>=0.2"])
