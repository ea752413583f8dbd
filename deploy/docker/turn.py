"""``python3 turn.py leave|back GROUP …``: has the containers of a group end one after the other, not all at once.

``docker compose restart`` and ``up`` stop all containers of a service together, and until the first is back nobody
serves. Compose calls this before it stops a container (``leave``) and after it started one (``back``). Whoever is to
leave goes at once as long as another one stays that is ready; the last one waits until one is back and ready. There is
nothing to wait for where it is alone, where nobody is left who would ask it (*--for*), nor longer than *--patience*.

Each container has a note in a folder that all share: its name, and whether it is here or leaving. It always exits with
0: a container must be able to end.
"""

from __future__ import annotations

import argparse
import fcntl
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from healthcheck import fault

FOLDER = Path("/var/lib/servoir/turns")
PERIOD_S = 0.25
KEPT_S = 86400.0


def exists(name: str) -> bool:
    """Return whether a container, or any of a service, runs under this name."""
    try:
        return bool(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM))
    except OSError:
        return False


class Notes:
    """Who of a group is here, and who is leaving: a file for each container in *folder*."""

    def __init__(self, folder: Path, own: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._own = folder / own

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the others up while inside."""
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def write(self, state: str) -> None:
        """Note what this container does: ``here`` or ``leaving``."""
        self._own.write_text(state)

    def is_leaving(self) -> bool:
        """Return whether this container had left, in its turn."""
        return self._own.is_file() and self._own.read_text() == "leaving"

    def others(self, state: str, *, since_s: float) -> list[str]:
        """Return the names of the others that were in this state at some time in the last *since_s*."""
        return [note.name for note in self._of_others() if note.read_text() == state and _age_s(note) < since_s]

    def forget(self) -> None:
        """Remove the notes of containers that are gone for good."""
        for note in self._of_others():
            if _age_s(note) > KEPT_S and not exists(note.name):
                note.unlink()

    def _of_others(self) -> list[Path]:
        return [note for note in self._folder.iterdir() if note != self._own and note.name != ".lock"]


def _age_s(note: Path) -> float:
    return time.time() - note.stat().st_mtime


def _may_leave(notes: Notes, told: argparse.Namespace) -> bool:
    with notes.alone():
        here = notes.others("here", since_s=float("inf"))
        free = _any(lambda name: not _fault(told, name), here) or not exists(told.asked_by)
        if not free and not notes.others("leaving", since_s=told.patience):
            free = not _any(exists, here)
        if free:
            notes.write("leaving")
        return free


def _any(holds: Callable[[str], bool], names: Sequence[str]) -> bool:
    """Return whether something holds for one of the names, as soon as one is known: those that are gone take long."""
    pool = ThreadPoolExecutor(max(1, len(names)))
    try:
        return any(done.result() for done in as_completed([pool.submit(holds, name) for name in names]))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _fault(told: argparse.Namespace, host: str) -> str:
    return fault(told.kind, told.where.replace("HOST", host))


def leave(notes: Notes, told: argparse.Namespace) -> None:
    """Return when this container may end."""
    until = time.monotonic() + told.patience
    while time.monotonic() < until and not _may_leave(notes, told):
        time.sleep(PERIOD_S)


def back(notes: Notes, told: argparse.Namespace) -> None:
    """Note that this container is here; one that others wait for does so when it is ready and known to be."""
    until = time.monotonic() + told.patience
    if notes.is_leaving():
        while time.monotonic() < until and _fault(told, "127.0.0.1"):
            time.sleep(PERIOD_S)
        time.sleep(told.settle)
    notes.write("here")
    notes.forget()


def main() -> None:
    """Read the command line and wait for the turn."""
    arguments = argparse.ArgumentParser("turn.py", description=__doc__)
    arguments.add_argument("what", choices=["leave", "back"])
    arguments.add_argument("group", help="those that stand in for each other")
    arguments.add_argument("kind", choices=["http", "grpc"])
    arguments.add_argument("where", help="where one is asked whether it is ready, with HOST for its name")
    arguments.add_argument("--for", dest="asked_by", required=True, help="the service that asks them")
    arguments.add_argument("--patience", type=float, default=120.0, help="seconds to wait at most")
    arguments.add_argument("--settle", type=float, default=1.0, help="seconds until it is known that it is back")
    told = arguments.parse_args()
    try:
        {"leave": leave, "back": back}[told.what](Notes(FOLDER / told.group, socket.gethostname()), told)
    except OSError as error:
        print(f"turn.py: {error}: it ends without a turn")


if __name__ == "__main__":
    main()
