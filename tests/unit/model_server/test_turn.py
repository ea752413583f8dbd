"""Turns: one holder at a time; a holder that ends, or never ends, keeps nobody for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from services.model_server.turn import turn

HOLD = """
import sys, time
from pathlib import Path
from services.model_server.turn import turn
with turn(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_waits_for_the_other(tmp_path: Path) -> None:
    lock, seen = tmp_path / "deep" / "lock", list[str]()
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with turn(lock):
            seen.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    with turn(lock):
        inside.set()
        waiting.join(0.3)
        seen.append("first")
    waiting.join()

    assert seen == ["first", "second"]


def test_one_who_was_killed_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()

    with turn(lock, patience_s=0.0), turn(lock, patience_s=0.0):
        pass  # and one who waits too long goes on


def test_where_nothing_can_be_written_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder")

    with turn(tmp_path / "home" / "lock"), turn(tmp_path / "home" / "lock"):
        pass
