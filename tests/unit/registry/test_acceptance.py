"""What a release can demand of a model's report."""

from __future__ import annotations

import pytest

from chassis.errors import BadRequest, WrongState
from services.registry.acceptance import Demand, Judged, accept, parse_demand

GOOD = Judged("evaluate-2", "street", {"mAP": 0.325, "mAP_50": 0.5, "AP[traffic light]": 0.1})
OLD = Judged("evaluate-1", "street", {"mAP": 0.9})
OTHER = Judged("evaluate-3", "night", {"mAP": 0.05})
KEY = "acme-coco-2"


def demands(*texts: str) -> list[Demand]:
    return [parse_demand(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "demand"),
    [
        ("mAP>=0.20", Demand("mAP", ">=", 0.2)),
        (" lane_false_positive <= .1 ", Demand("lane_false_positive", "<=", 0.1)),
        ("AP[traffic light]>0", Demand("AP[traffic light]", ">", 0.0)),
    ],
)
def test_a_demand_is_a_figure_a_comparison_and_a_number(text: str, demand: Demand) -> None:
    assert parse_demand(text) == demand


@pytest.mark.parametrize("text", ["", "mAP", "mAP=0.2", "mAP>=much", ">=0.2", "mAP>=0.2>=0.1"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadRequest, match=r"say mAP>=0\.20"):
        parse_demand(text)


def test_a_release_is_accepted_on_the_newest_report_with_each_figure() -> None:
    accepted = accept(KEY, [GOOD, OLD], demands("mAP>=0.3", "mAP_50>0.4"))

    assert accepted.report_id == "evaluate-2"
    assert accepted.met == ("mAP 0.325 >= 0.3", "mAP_50 0.5 > 0.4")
    assert str(accepted) == "mAP 0.325 >= 0.3, mAP_50 0.5 > 0.4 on street (report evaluate-2)"


def test_an_older_report_that_was_better_does_not_help() -> None:
    with pytest.raises(WrongState, match=r"mAP is 0\.325, demanded is mAP>=0\.5"):
        accept(KEY, [GOOD, OLD], demands("mAP>=0.5"))


def test_every_demand_that_is_not_met_is_named() -> None:
    with pytest.raises(WrongState) as raised:
        accept(KEY, [GOOD], demands("mAP>=0.5", "mAP_50>=0.4", "AP[traffic light]>0.2"))

    assert "mAP is 0.325" in raised.value.detail
    assert "AP[traffic light] is 0.1" in raised.value.detail
    assert "mAP_50" not in raised.value.detail


def test_without_a_report_it_is_said_how_to_make_one() -> None:
    with pytest.raises(WrongState, match=f"`servoir evaluate {KEY} SET` makes one"):
        accept(KEY, [], demands("mAP>=0.2"))


def test_of_several_sets_one_must_be_named() -> None:
    reports = [OTHER, GOOD]

    with pytest.raises(WrongState, match=r"reports on several sets \(night, street\)"):
        accept(KEY, reports, demands("mAP>=0.2"))
    with pytest.raises(WrongState, match="no report on acme-coco-2 on the set day; there are on night, street"):
        accept(KEY, reports, demands("mAP>=0.2"), on_set="day")
    assert accept(KEY, reports, demands("mAP>=0.2"), on_set="street").report_id == "evaluate-2"


def test_a_figure_that_the_report_lacks_is_named_with_those_that_it_has() -> None:
    with pytest.raises(WrongState, match=r"has no top_1 \(it has: mAP, mAP_50"):
        accept(KEY, [GOOD], demands("top_1>=0.7"))


def test_a_demand_may_be_a_report_alone() -> None:
    assert accept(KEY, [GOOD], [], on_set="street").met == ()
