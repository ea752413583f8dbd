"""A conversion's steps as real processes: what becomes of them when the job's process is to end, or is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from services.jobs.context import Failed, Interrupted
from services.jobs.conversion.processes import run_module
from tests.parts import ROOT, wait_until

SLEEP = ["-n", "1", "-r", "1", "import time; time.sleep(600)"]

# What a worker's process does for a job: SIGTERM sets an event, which the job looks at.
JOB = f"""
import signal, threading
from services.jobs.context import Interrupted
from services.jobs.conversion.processes import run_module
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
def check():
    if stop.is_set():
        raise Interrupted
try:
    run_module("timeit", {SLEEP}, check=check, timeout_s=600)
except BaseException as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def job() -> Iterator[subprocess.Popen[str]]:
    """A job's process in a group of its own, one of whose steps sleeps."""
    command = [sys.executable, "-c", JOB]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    yield process
    process.kill()
    process.communicate()


def steps_of(job: int) -> list[psutil.Process]:
    """Return the steps at work that the process *job* waits for: one, or none yet."""
    children = psutil.Process(job).children()
    return [it for it in children if it.status() != psutil.STATUS_ZOMBIE and "timeit" in it.cmdline()]


def begun(job: subprocess.Popen[str]) -> psutil.Process:
    """Return the job's step as soon as it is at work."""
    wait_until(lambda: steps_of(job.pid), what="a step")
    return steps_of(job.pid)[0]


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_job_whose_group_is_told_to_end_is_interrupted_and_not_failed(job: subprocess.Popen[str]) -> None:
    step = begun(job)

    os.killpg(job.pid, signal.SIGTERM)
    said, _ = job.communicate(timeout=60)

    assert said == "Interrupted \n"
    assert is_gone(step)


def test_a_step_ends_with_a_job_that_is_killed(job: subprocess.Popen[str]) -> None:
    step = begun(job)

    job.kill()

    wait_until(lambda: is_gone(step), what="the step is gone")


def test_a_step_that_ends_because_all_is_to_end_is_no_failure() -> None:
    ended: list[psutil.Process] = []

    def check() -> None:
        if ended:
            raise Interrupted
        for step in steps_of(os.getpid()):
            step.terminate()
            ended.append(step)
            wait_until(lambda: is_gone(ended[0]), what="the step is gone")

    with pytest.raises(Interrupted):
        run_module("timeit", SLEEP, check=check, timeout_s=600)


def test_a_step_gets_its_arguments_and_its_last_line_is_the_answer() -> None:
    said = run_module("timeit", ["-n", "1", "-r", "1", "-s", "print('begun')"], check=lambda: None, timeout_s=600)

    assert said.startswith("1 loop, best of 1")


def test_a_step_that_fails_says_why() -> None:
    with pytest.raises(Failed, match="ZeroDivisionError"):
        run_module("timeit", ["-n", "1", "1 / 0"], check=lambda: None, timeout_s=600)
