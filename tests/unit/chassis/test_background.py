"""Tasks that go on by themselves."""

from __future__ import annotations

import asyncio
import gc

from structlog.testing import capture_logs

from chassis.background import Background


def test_a_task_that_nobody_else_holds_goes_on_to_its_end() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        gc.collect()
        done.append(number)

    async def main() -> None:
        background = Background()
        for number in range(3):
            background.start(work(number))
        await background.finish()

    asyncio.run(main())
    assert sorted(done) == [0, 1, 2]


def test_one_that_fails_is_logged_and_keeps_no_other_from_its_end() -> None:
    done: list[str] = []

    async def fail() -> None:
        raise ValueError("broken")

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("other")

    async def main() -> None:
        background = Background()
        background.start(fail())
        background.start(work())
        await background.finish()

    with capture_logs() as lines:
        asyncio.run(main())
    assert [line["event"] for line in lines] == ["task_failed"]
    assert str(lines[0]["exc_info"]) == "broken"
    assert done == ["other"]


def test_those_that_are_cancelled_are_no_failures() -> None:
    async def main() -> None:
        background = Background()
        background.start(asyncio.sleep(3600))
        background.cancel()
        await background.finish()

    with capture_logs() as lines:
        asyncio.run(main())
    assert lines == []
