"""One run of a job in a worker's process: claims it, has its kind do it, and says how it ended."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType

from chassis import logs
from chassis.errors import ServoirError, Unavailable
from chassis.settings import load
from services.jobs.broker import Broker
from services.jobs.context import Cancelled, Failed, Interrupted
from services.jobs.deaths import MOST_DEATHS, Deaths
from services.jobs.folders import job_folder
from services.jobs.heartbeat import Heartbeat
from services.jobs.job import Job, State
from services.jobs.kinds import kind_of, read_parameters
from services.jobs.patience import patiently
from services.jobs.records import LeaseLost, Records, connect
from services.jobs.run import Run
from services.jobs.settings import Settings

log = logs.logger()
_INTERNAL = "internal error"
_DEADLY = (
    f"its process died {MOST_DEATHS} times in a row without a word, as it does where memory runs out: "
    "when it is tried again, it goes on from the last checkpoint"
)


def perform(id: str) -> None:
    """Do the job *id*, in a process of its own; RQ calls this. SIGTERM ends it at its next checkpoint."""
    settings = load(Settings)
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    os.nice(settings.jobs_nice)
    client = connect(settings.redis_url)
    perform_job(id, settings, Records(client, Broker(client).enqueue), stop)


def perform_job(id: str, settings: Settings, records: Records, stop: threading.Event) -> None:
    """Do the job *id* until it ends or *stop* is set; nothing where it is over, or another does it."""
    token = secrets.token_hex(8)
    folder = job_folder(settings.jobs_folder, id)
    folder.make()
    with folder.held() as alone:
        job = records.claim(id, token, lease_s=settings.jobs_lease_s) if alone else None
        if job is None:
            log.info("job_left_alone", job=id, alone=alone)
            return
        deaths = Deaths(folder.path / "deaths")
        deaths.note()
        lease_s, parent = settings.jobs_lease_s, os.getppid()
        beat = Heartbeat(records, id, token, lease_s=lease_s, parent=parent, stop=stop, excuse=deaths.clear)
        beat.start()
        try:
            _do(job, settings, beat, deaths.before)
        finally:
            beat.stop()
        deaths.clear()


def _do(job: Job, settings: Settings, beat: Heartbeat, deaths: int) -> None:
    log.info("job_begun", job=job.id, kind=job.kind, run=job.runs + 1)
    if job.runs:
        beat.add_log("goes on from the last checkpoint")
    run = Run(job, settings, beat)
    try:
        state, problem = ("failed", _DEADLY) if deaths >= MOST_DEATHS else _outcome(run)
    except Interrupted:
        beat.add_log("the worker ends: another goes on from the last checkpoint")
        _tell(beat.give_back)
        log.info("job_interrupted", job=job.id)
        return
    finally:
        run.close()
    beat.add_log(f"{state}: {problem}" if problem else state)
    _tell(partial(beat.finish, state, problem))
    if state == "done":
        run.clear()
    log.info("job_ended", job=job.id, kind=job.kind, state=state, problem=problem)


def _outcome(run: Run) -> tuple[State, str]:
    try:
        parameters = read_parameters(run.job.parameters)
        run.parameters = parameters
        kind_of(parameters).run(run)
    except Interrupted:
        raise
    except Cancelled:
        return "cancelled", ""
    except Failed as failure:
        return "failed", str(failure)
    except ServoirError as error:
        return "failed", error.detail
    except Exception:
        log.exception("job_failed", job=run.job.id)
        return "failed", _INTERNAL
    return "done", ""


def _tell(say: Callable[[], None]) -> None:
    """Say how it ended, however long Redis is away; nothing where the job has been taken over meanwhile."""
    with suppress(LeaseLost):
        patiently(say, again_on=Unavailable)
