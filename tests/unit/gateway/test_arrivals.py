"""Arrivals: the time that a request waited for its thread is its own, and no other's."""

from __future__ import annotations

import threading
import time

from services.gateway.arrivals import arrived_s, taken_up


def test_a_request_began_when_it_began_to_wait_for_its_thread() -> None:
    before_s = time.monotonic()

    taken_up(before_s - 5)

    assert before_s - 5 <= arrived_s() <= time.monotonic() - 5


def test_the_next_request_of_the_same_thread_begins_anew() -> None:
    before_s = time.monotonic()
    taken_up(before_s - 5)
    arrived_s()

    assert arrived_s() >= before_s


def test_another_thread_has_a_wait_of_its_own() -> None:
    before_s = time.monotonic()
    taken_up(before_s - 5)
    seen: list[float] = []

    other = threading.Thread(target=lambda: seen.append(arrived_s()))
    other.start()
    other.join()

    assert seen[0] >= before_s
    arrived_s()
