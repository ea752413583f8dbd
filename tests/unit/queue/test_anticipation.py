"""Who is waited for: clients that come back at once, and nobody where requests come whenever they like."""

from __future__ import annotations

import random

import pytest

from services.queue.anticipation import NOBODY, Anticipation, Next

BATCH_S = 0.05
FREE = Next(16, BATCH_S, BATCH_S, free=1, back_next=0)


def prompt(rounds: int = 20, items: int = 8, after_s: float = 0.003) -> tuple[Anticipation, float]:
    """Return what is known of clients that came back *after_s*, each time, and when they last were answered."""
    anticipation, now_s = Anticipation(), 100.0
    for _ in range(rounds):
        anticipation.answered(items, now_s)
        anticipation.came([now_s + after_s] * items)
        now_s += after_s + BATCH_S
    anticipation.answered(items, now_s)
    return anticipation, now_s


def test_who_always_comes_back_at_once_is_waited_for() -> None:
    anticipation, now_s = prompt()

    awaited = anticipation.awaited(FREE, now_s + 0.001)

    assert awaited.returning == 8
    assert awaited.age_s == pytest.approx(0.001)
    assert awaited.within_s == pytest.approx(0.003)
    assert awaited.enough > 8, "a batch of one takes as long as one of all"


def test_who_has_come_back_is_not_waited_for() -> None:
    anticipation, now_s = prompt()

    anticipation.came([now_s + 0.002] * 5)

    assert anticipation.awaited(FREE, now_s + 0.003).returning == 3


def test_who_does_not_come_in_time_is_waited_for_no_more() -> None:
    anticipation, now_s = prompt()

    assert anticipation.awaited(FREE, now_s + 0.005).returning == 0


def test_those_who_come_back_from_a_busy_server_are_waited_for_before_its_next_batch() -> None:
    anticipation, now_s = prompt()

    awaited = anticipation.awaited(FREE._replace(free=0, back_next=6), now_s)

    assert (awaited.returning, awaited.age_s, awaited.free) == (6, 0.0, 1)


def test_free_executions_share_them() -> None:
    anticipation, now_s = prompt(after_s=0.02)

    alone, shared = (anticipation.awaited(FREE._replace(free=free), now_s) for free in (1, 2))

    assert (alone.returning, shared.returning, shared.free) == (8, 8, 2)
    assert shared.enough < alone.enough


def test_what_comes_at_any_time_is_not_waited_for() -> None:
    anticipation, random_ = Anticipation(), random.Random(1)
    now_s, waiting = 100.0, list[float]()
    for _ in range(200):
        came = sorted(now_s + random_.random() * BATCH_S for _ in range(random_.randint(4, 12)))
        anticipation.came(waiting)
        waiting, now_s = came, now_s + BATCH_S
        anticipation.answered(len(waiting), now_s)
        assert anticipation.awaited(FREE, now_s) == NOBODY


def test_a_pause_makes_nobody_prompt() -> None:
    anticipation, random_ = Anticipation(), random.Random(2)
    now_s = 100.0
    for turn in range(200):
        now_s += 3600.0 if turn % 40 == 39 else BATCH_S
        anticipation.came(sorted(now_s + random_.random() * BATCH_S for _ in range(6)))
        anticipation.answered(6, now_s + BATCH_S)
        assert anticipation.awaited(FREE, now_s + BATCH_S) == NOBODY


def test_who_asks_now_and_then_is_not_waited_for() -> None:
    anticipation, _ = prompt(rounds=40, items=1, after_s=1.0)

    assert anticipation.within_s == 0.0


def test_little_is_known_of_the_first_few() -> None:
    anticipation, now_s = prompt(rounds=2, items=4)

    assert anticipation.awaited(FREE, now_s) == NOBODY


def test_who_never_came_back_is_forgotten() -> None:
    anticipation, now_s = prompt()
    for number in range(10):
        anticipation.answered(2, now_s + number * BATCH_S)

    awaited = anticipation.awaited(FREE, now_s + 9 * BATCH_S)

    assert awaited.returning == 2


def test_answering_nobody_is_no_answer() -> None:
    anticipation, now_s = prompt()
    before = anticipation.awaited(FREE, now_s)

    anticipation.answered(0, now_s)

    assert anticipation.awaited(FREE, now_s) == before
