"""What a message lost under way."""

from __future__ import annotations

import pytest

from services.model_server.delays import Delays


def test_what_took_longer_than_the_quickest_is_lost_whatever_the_clocks_say() -> None:
    delays = Delays()
    assert delays.delay_s("d", 1000.0, 5.001) == 0

    assert delays.delay_s("d", 1001.0, 8.0) == pytest.approx(1.999)
    assert delays.delay_s("d", 1002.0, 7.0005) == pytest.approx(0.0)


def test_senders_are_not_compared_with_each_other() -> None:
    delays = Delays()
    delays.delay_s("d", 1000.0, 1000.0)

    assert delays.delay_s("e", 900.0, 1000.0) == 0


def test_one_that_does_not_say_when_it_sent_lost_nothing() -> None:
    assert Delays().delay_s("", 0.0, 1000.0) == 0


def test_a_clock_that_was_set_is_believed_again_after_a_while() -> None:
    delays = Delays()
    delays.delay_s("d", 1000.0, 1000.0)
    assert delays.delay_s("d", 1010.0, 1040.0) == pytest.approx(30.0)

    for second in range(50, 200, 10):
        delays.delay_s("d", 1000.0 + second - 30.0, 1000.0 + second)

    assert delays.delay_s("d", 1180.0, 1210.0) == pytest.approx(0.0)
