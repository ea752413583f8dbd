"""How much of the predicted room is given away."""

from __future__ import annotations

import pytest

from services.queue import trust
from services.queue.trust import Trust


def after(seconds: int, *, late: int, answered: int, of: Trust | None = None) -> Trust:
    one = of or Trust()
    for _ in range(seconds):
        one.late(late)
        one.answered(answered)
        one.settle()
    return one


def test_as_long_as_nearly_all_are_in_time_it_stays_at_its_most() -> None:
    assert after(60, late=1, answered=99).share == trust.MOST
    assert after(60, late=0, answered=0).share == trust.MOST


def test_it_comes_down_by_a_tenth_in_each_second_with_late_ones() -> None:
    assert after(1, late=2, answered=98).share == pytest.approx(0.9 * trust.MOST)
    assert after(3, late=2, answered=98).share == pytest.approx(0.9**3 * trust.MOST)


def test_it_never_comes_down_so_far_that_servers_would_wait() -> None:
    assert 0.4 < after(3600, late=100, answered=0).share < 0.5


def test_it_goes_up_again_slowly() -> None:
    low = after(3, late=50, answered=50)
    share = low.share

    assert after(5, late=0, answered=100, of=low).share == pytest.approx(share + 0.05)
    assert after(60, late=0, answered=100, of=low).share == trust.MOST


def test_what_is_late_counts_once() -> None:
    one = after(1, late=5, answered=5)
    share = one.share
    one.settle()

    assert one.share > share
