"""One model at a time is measured on a machine: two side by side would each take the other for a slow processor."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chassis import logs

log = logs.logger()
_LOOK_S = 0.1


@contextmanager
def turn(lock: Path, *, patience_s: float = 120.0) -> Iterator[None]:
    """Hold *lock*, a file that is made, against all other processes; go on without it after *patience_s*.

    The operating system gives back what a process held when it ends, however it ends. Where it lets nobody hold it
    (nothing can be written there), one goes on without it as well.
    """
    with ExitStack() as held:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            _wait_for(held.enter_context(lock.open("a")).fileno(), lock, patience_s)
        except OSError as error:
            log.warning("not_alone", lock=str(lock), detail=f"cannot wait for another model's end: {error}")
        yield


def _wait_for(descriptor: int, lock: Path, patience_s: float) -> None:
    until_s = time.monotonic() + patience_s
    while not _taken(descriptor):
        if time.monotonic() > until_s:
            log.warning("not_alone", lock=str(lock), detail="another model is still measured; measuring beside it")
            return
        time.sleep(_LOOK_S)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
