"""The checker can fail: each promise, broken on purpose in a recorded history, is caught."""

from __future__ import annotations

import pytest

from tests.chaos.checker import meanwhile, violations
from tests.chaos.history import Answered, Counted, Executed, Fault, History, Sent


@pytest.fixture
def history() -> History:
    """A run that kept every promise: two answers, and one refusal while a part was down."""
    run = History(seed=1, keys_before=frozenset({"models"}), keys_after=frozenset({"models"}))
    for event in (
        Sent("r-1", "aa", at=10.0, timeout_s=2.0),
        Executed("r-1", at=10.1),
        Answered("r-1", 200, at=10.2, digest="aa"),
        Counted("r-1", 200),
        Fault("kill", "redis", began=50.0, ended=51.0),
        Sent("r-2", "bb", at=50.5, timeout_s=2.0),
        Answered("r-2", 503, at=50.6),
        Sent("r-3", "cc", at=90.0, timeout_s=2.0),
        Executed("r-3", at=90.1),
        Executed("r-3", at=90.5),  # again after its first server died: allowed
        Answered("r-3", 200, at=90.9, digest="cc"),
        Counted("r-3", 200),
    ):
        run.add(event)
    return run


def test_a_run_that_kept_every_promise_has_no_violation(history: History) -> None:
    assert violations(history) == []


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (Answered("r-1", 200, at=10.3, digest="aa"), "r-1: 2 answers"),
        (Sent("r-4", "dd", at=91.0, timeout_s=2.0), "r-4: 0 answers"),
        (Executed("r-3", at=92.3), "r-3: ran 0.30 s after its deadline"),
        (Counted("r-3", 200), "r-3: counted 2 times"),
        (Counted("r-3", 504), "r-3: counted 2 times"),
    ],
)
def test_an_event_too_many_is_caught(history: History, event: Answered | Sent | Executed | Counted, found: str) -> None:
    history.add(event)

    assert found in violations(history)


def test_an_answer_for_other_bytes_is_caught(history: History) -> None:
    history.answered[0] = Answered("r-1", 200, at=10.2, digest="cc")

    assert violations(history) == ["r-1: answered for other bytes"]


def test_a_status_that_no_fault_explains_is_caught(history: History) -> None:
    history.answered[0] = Answered("r-1", 500, at=10.2)

    assert "r-1: status 500" in violations(history)


def test_an_answer_that_hung_is_caught(history: History) -> None:
    history.answered[2] = Answered("r-3", 200, at=111.0, digest="cc")

    assert violations(history) == ["r-3: answered 21.0 s after it was sent, timeout 2 s"]


@pytest.mark.parametrize("status", [429, 503, 504, 0])
def test_a_refusal_while_nothing_was_broken_is_caught(history: History, status: int) -> None:
    history.answered[0] = Answered("r-1", status, at=10.2)

    assert f"r-1: status {status} while nothing was broken" in violations(history)


def test_an_answer_that_was_not_counted_is_caught(history: History) -> None:
    history.counted.clear()

    assert "r-1: answered 200, counted None" in violations(history)


def test_an_answer_counted_as_another_is_caught(history: History) -> None:
    history.counted[0] = Counted("r-1", 504)

    assert violations(history) == ["r-1: answered 200, counted 504"]


@pytest.mark.parametrize("counted", [[Counted("r-4", 504)], []], ids=["as late", "not at all"])
@pytest.mark.parametrize(("answered_at", "forgiven"), [(47.9, False), (48.1, True), (50.0, True), (50.2, False)])
def test_what_was_answered_right_before_redis_was_killed_may_be_forgotten(
    history: History, answered_at: float, forgiven: bool, counted: list[Counted]
) -> None:
    for event in (
        Sent("r-4", "dd", at=answered_at - 0.5, timeout_s=2.0),
        Executed("r-4", at=answered_at - 0.2),
        Answered("r-4", 200, at=answered_at, digest="dd"),
        *counted,
    ):
        history.add(event)

    told = f"r-4: answered 200, counted {504 if counted else None}"
    assert violations(history) == ([] if forgiven else [told])


def test_a_violation_is_told_with_what_was_broken_meanwhile(history: History) -> None:
    told = meanwhile(history, "r-2: status 503 while nothing was broken")

    assert told == "timeout 2 s; kill redis -0.50 to +0.50 s"
    assert meanwhile(history, "left in Redis: stream") == ""


def test_a_key_left_behind_is_caught(history: History) -> None:
    history.keys_after = frozenset({"models", "stream"})

    assert violations(history) == ["left in Redis: stream"]


def test_a_pause_of_a_gateway_moves_the_deadline_by_its_length_and_no_more(history: History) -> None:
    history.faults.append(Fault("pause", "gateway-0", began=90.2, ended=91.2))
    history.add(Executed("r-3", at=92.9))
    assert violations(history) == []

    history.add(Executed("r-3", at=93.3))
    assert violations(history) == ["r-3: ran 0.30 s after its deadline"]
