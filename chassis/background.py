"""Tasks of an event loop that go on by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from chassis import logs

log = logs.logger()


class Background:
    """Holds tasks until they are done, which asyncio itself does not; one that fails is logged at once."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Let *work* go on by itself."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def finish(self) -> None:
        """Wait until all that go on now are done, however; who is cancelled here cancels them."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cancel(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("task_failed", exc_info=error)
