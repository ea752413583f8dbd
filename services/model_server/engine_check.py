"""Whether an engine that fails on what it was sent still does what it did before it served.

After some errors (an illegal address, a failed launch) all that a process asks of its GPU fails, for ever. It would go
on to blame every input, while its health says that it serves.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable

from chassis import logs
from services.model_server.exits import Exit

log = logs.logger()
_RESTS = 10
"""How many times as long as it took the check is not made again: inputs that the model dislikes may come in a flood."""


class EngineCheck:
    """Ends the process when *run*, which the engine did at its start, fails.

    *end* is what does so; it is told the exit code.
    """

    def __init__(
        self,
        run: Callable[[], object],
        *,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._end, self._clock = run, end, clock
        self._lock = threading.Lock()
        self._not_before_s = -math.inf

    def check(self) -> None:
        """Run it, unless that was done just now; who comes meanwhile waits for what comes of it.

        So no input is blamed for an engine that is lost: it is tried again elsewhere.
        """
        with self._lock:
            began_s = self._clock()
            if began_s < self._not_before_s:
                return
            try:
                self._run()
            except MemoryError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {str(error)[:500]}"
                log.error("engine_lost", reason=reason, exit_code=int(Exit.ENGINE_LOST))
                self._end(int(Exit.ENGINE_LOST))
            ended_s = self._clock()
            self._not_before_s = ended_s + _RESTS * (ended_s - began_s)
