"""One model at a time is measured on a machine: two side by side would each take the other for a slow processor."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chassis import logs

log = logs.logger()
_LOOK_S = 0.1


@contextmanager
def turn(lock: Path, *, patience_s: float = 120.0) -> Iterator[None]:
    """Hold *lock*, a file that is made, against all other processes; go on without it after *patience_s*.

    The operating system gives back what a process held when it ends, however it ends.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    until_s = time.monotonic() + patience_s
    with lock.open("a") as held:
        while not _taken(held.fileno()):
            if time.monotonic() > until_s:
                log.warning("not_alone", lock=str(lock), detail="another model is still measured; measuring beside it")
                break
            time.sleep(_LOOK_S)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
