"""Lateness: a loop that was busy is as late as it was busy; one that is idle is in time."""

from __future__ import annotations

import asyncio
import time

from services.gateway.lateness import Lateness


def test_a_loop_that_was_busy_is_late_by_as_much() -> None:
    async def busy() -> tuple[float, float]:
        lateness = Lateness()
        lateness.start()
        await asyncio.sleep(0)
        began = time.monotonic()
        while time.monotonic() - began < 0.3:
            pass
        return lateness.seconds, time.monotonic() - began

    late_s, busy_s = asyncio.run(busy())

    assert busy_s - 0.03 <= late_s <= busy_s


def test_the_request_that_is_read_right_after_knows_it_too() -> None:
    async def busy() -> float:
        lateness = Lateness()
        lateness.start()
        await asyncio.sleep(0)
        time.sleep(0.3)
        await asyncio.sleep(0)  # the timer's turn
        return lateness.seconds

    assert asyncio.run(busy()) >= 0.25


def test_a_loop_in_time_is_not_late() -> None:
    async def idle() -> list[float]:
        lateness, seen = Lateness(), []
        lateness.start()
        for _ in range(50):
            await asyncio.sleep(0.01)
            seen.append(lateness.seconds)
        return seen

    seen = asyncio.run(idle())

    assert min(seen) == 0.0
