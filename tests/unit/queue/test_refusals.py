"""A refusal holds for who was refused, by the same plan, as long as the queue cannot have become short enough."""

from __future__ import annotations

import pytest

from services.queue.refusals import LONGEST_S, Refusal, Refusals, Who, lasts_s

ANN = Who("acme-things-1", "interactive", "ann")


@pytest.fixture
def refusals() -> Refusals:
    made = Refusals()
    made.note(ANN, Refusal("plan-1", ahead=30, allowed=20, until_s=10.0))
    return made


def test_the_same_is_refused_again(refusals: Refusals) -> None:
    held = refusals.again(ANN, "plan-1", 20, 9.9)

    assert held and held.ahead == 30


@pytest.mark.parametrize(
    ("who", "version", "allowed", "now_s"),
    [
        (ANN, "plan-1", 20, 10.0),  # its time is over
        (ANN, "plan-2", 20, 9.9),  # the plan is another
        (ANN, "plan-1", 21, 9.9),  # it has more time
        (ANN._replace(client="bob"), "plan-1", 20, 9.9),
        (ANN._replace(priority="batch"), "plan-1", 20, 9.9),
        (ANN._replace(model="acme-lanes-1"), "plan-1", 20, 9.9),
    ],
)
def test_whatever_differs_is_asked(refusals: Refusals, who: Who, version: str, allowed: int, now_s: float) -> None:
    assert refusals.again(who, version, allowed, now_s) is None


def test_each_repetition_is_counted_once(refusals: Refusals) -> None:
    for _ in range(3):
        refusals.again(ANN, "plan-1", 20, 9.0)

    assert refusals.forget(ANN) == 3
    assert refusals.forget(ANN) == 0
    assert refusals.again(ANN, "plan-1", 20, 9.0) is None


def test_it_lasts_until_as_many_are_answered_as_stood_in_the_way_or_a_tenth_of_all_and_never_long() -> None:
    assert lasts_s(30, 26, 100.0) == pytest.approx(0.04)
    assert lasts_s(30, 29, 100.0) == pytest.approx(0.03)
    assert lasts_s(3000, 20, 100.0) == LONGEST_S
    assert lasts_s(20, 20, 100.0) == lasts_s(30, 20, 0.0) == 0.0
    assert lasts_s(3, -1, 1000.0) == pytest.approx(0.003)
