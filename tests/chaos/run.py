"""``python -m tests.chaos.run --faults 1000 --seed 7``: breaks a real suite under load and checks its promises.

Prints the seed, the counts and every violation; exits with 1 when there is one, and keeps the logs in ``out``. The
same seed does the same things to the same parts (what they are doing at that moment differs, as it does in life).
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.chaos.checker import may_be_forgotten, meanwhile, violations
from tests.chaos.history import History
from tests.chaos.load import Load, predict_url
from tests.chaos.nemesis import blows, strike
from tests.chaos.subjects import SUBJECTS, Subject
from tests.chaos.world import World
from tests.parts import wait_until


def run(
    folder: Path,
    subject: Subject,
    *,
    seed: int,
    faults: int,
    clients: int = 12,
    calm_every: int = 60,
    calm_s: float = 6.0,
) -> History:
    """Return the history of one run of *faults* faults, with a calm after every *calm_every* and at the end.

    In a calm, after the recovery, nothing may be refused: that is when the checker looks for refusals without a reason.
    """
    history, world = History(seed, subject.recovery_s), World(folder, subject)
    try:
        wait_until(lambda: _answers(world), timeout_s=60, what="a first answer")
        subject.learn(predict_url(world.gateways[0]))
        history.keys_before = world.keys()
        with Load(world, history, clients=clients):
            for number, blow in zip(range(1, faults + 1), blows(seed, list(world.parts)), strict=False):
                strike(world, blow, history)
                if number % calm_every == 0 or number == faults:
                    time.sleep(subject.recovery_s + calm_s)
                    print(f"{number} faults; {history.summary()}", flush=True)
        _settle(world, history)
    finally:
        world.stop()
    return history


def _answers(world: World) -> bool:
    """Return whether every gateway answers."""
    content, _ = world.subject.draw(random.Random(0))
    posts = [
        httpx.post(predict_url(gateway), params={"q": world.subject.key}, files={"image": ("first.jpg", content)})
        for gateway in world.gateways
    ]
    return all(answer.status_code == 200 for answer in posts)


def _settle(world: World, history: History) -> None:
    """Wait until every item has its answer and all usage is in MongoDB, then read the rest of the history."""
    wait_until(lambda: world.waiting() == 0, timeout_s=30, what="an empty queue")
    counts = {one.request_id for one in history.answered if one.status == 200 and not may_be_forgotten(history, one)}
    wait_until(lambda: counts <= {c.request_id for c in world.counted()}, timeout_s=60, what="all usage counted")
    own = {sent.request_id for sent in history.sent}
    history.counted += [counted for counted in world.counted() if counted.request_id in own]
    history.executed += [execution for execution in world.executed() if execution.request_id in own]
    history.keys_after = world.keys()


def _kept(folder: Path, seed: int) -> Path:
    """Copy the parts' logs to where they outlive the run; return the folder."""
    kept = Path("out") / f"chaos-{seed}"
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, kept)
    return kept


def main() -> int:
    """Run once, as the command line says."""
    parser = argparse.ArgumentParser(description="Break a real suite under load and check its promises.")
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--subject", choices=SUBJECTS, default="echo")
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of every finally: nothing is left running
    with tempfile.TemporaryDirectory(prefix="servoir-chaos-") as folder:
        subject: Subject = SUBJECTS[arguments.subject](Path(folder) / "model")
        history = run(Path(folder), subject, seed=arguments.seed, faults=arguments.faults, clients=arguments.clients)
        if found := violations(history):
            print(f"logs: {_kept(Path(folder), arguments.seed)}")
    print(history.summary())
    for violation in found[:50]:
        print(f"{violation} ({meanwhile(history, violation)})")
    if not found:
        print("no violation")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
