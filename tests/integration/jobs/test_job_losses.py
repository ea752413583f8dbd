"""Batch predictions while everything that they need is killed: each picture has one answer in the result."""

from __future__ import annotations

import os
import subprocess
from collections import Counter

import psutil

from services.jobs.client import Job
from services.jobs.deaths import MOST_DEATHS, Deaths
from tests.integration.jobs.jobs_world import JobsWorld, write_folder
from tests.parts import ROOT, wait_until

COUNT = 3000


def begun(world: JobsWorld, name: str, done: int = 40) -> Job:
    """Submit a job over a folder of its own, and wait until a part of it is done."""
    folder = write_folder(world.sources / name, COUNT)
    job = world.submit(source=str(folder), formats=["jsonl", "files"])
    went_on(world, job, done)
    return job


def went_on(world: JobsWorld, job: Job, by: int = 40) -> None:
    """Wait until so many more pictures are done."""
    done = world.job(job.id).done
    wait_until(lambda: world.job(job.id).done >= min(done + by, COUNT), what=f"it goes on from {done}")
    assert world.job(job.id).state == "running", "killed too late to show anything"


def answered(world: JobsWorld, job: Job) -> Counter[str]:
    """Wait for the job's end; return how often each picture is in its result."""
    world.wait_for(job.id)
    return Counter(line["filename"] for line in world.lines(job.id) if "problem" not in line)


EACH_ONCE = Counter({f"{number:05d}.gif": 1 for number in range(COUNT)})


def test_a_killed_worker_dispatcher_and_model_server_cost_no_picture_and_double_none(world: JobsWorld) -> None:
    job = begun(world, "killed")

    for name in ("jobs-0", "dispatcher-0", "jobs-0", "model-server-0", "jobs-0"):
        part = world.parts[name]
        part.kill()
        part.start()
        went_on(world, job)

    assert answered(world, job) == EACH_ONCE
    assert world.job(job.id).runs > MOST_DEATHS


def test_a_restarted_redis_costs_nothing(world: JobsWorld) -> None:
    job = begun(world, "redis")

    world.parts["redis"].kill()
    world.parts["redis"].start()

    assert answered(world, job) == EACH_ONCE


def test_a_worker_that_is_to_end_leaves_its_job_at_a_checkpoint(world: JobsWorld) -> None:
    job = begun(world, "drained")
    worker = world.parts["jobs-0"]

    code = worker.terminate()
    left = world.job(job.id)
    worker.start()

    assert code == 0
    assert left.state == "queued"
    assert "the worker ends" in "\n".join(world.client.log(job.id, client_id=None))
    assert answered(world, job) == EACH_ONCE


def test_a_worker_that_is_to_end_while_redis_is_away_ends(world: JobsWorld) -> None:
    worker, redis = world.parts["jobs-0"], world.parts["redis"]
    lost = worker.log.read_text().count("redis_lost")

    redis.kill()
    wait_until(lambda: worker.log.read_text().count("redis_lost") > lost + 1, what="it tries again and again")
    code = worker.terminate()
    redis.start()
    worker.start()

    assert code == 0


def test_a_job_whose_process_dies_goes_on(world: JobsWorld) -> None:
    job = begun(world, "horse")
    [horse] = world.horses("jobs-0")

    horse.kill()

    assert answered(world, job) == EACH_ONCE
    assert world.job(job.id).runs == 2


def test_a_job_whose_process_dies_again_and_again_fails_says_so_and_can_be_tried_again(world: JobsWorld) -> None:
    job = begun(world, "deadly")

    note = world.jobs_folder / job.id / "deaths"

    for run in range(1, MOST_DEATHS + 1):
        wait_until(lambda run=run: Deaths(note).before == run and world.horses("jobs-0"), what=f"run {run}")
        for horse in world.horses("jobs-0"):
            horse.kill()
    ended = world.wait_for(job.id, "failed")

    assert "its process died 3 times in a row without a word" in ended.problem
    assert ended.done < COUNT
    world.client.retry(job.id, client_id=None)
    assert answered(world, job) == EACH_ONCE


def test_a_vehicle_that_comes_twice_has_a_job_done_once(world: JobsWorld) -> None:
    world.start_worker("jobs-1")
    job = begun(world, "twice")

    world.send_vehicle(job)

    assert answered(world, job) == EACH_ONCE
    assert world.job(job.id).runs == 1
    world.parts["jobs-1"].stop()


def test_a_jobs_process_ends_with_its_worker_though_nobody_reads_what_it_says(world: JobsWorld) -> None:
    part = world.parts["jobs-0"]
    part.terminate()
    environment = {**os.environ, **(part.env or {})}
    worker = subprocess.Popen(part.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    job = begun(world, "unread")
    [horse] = psutil.Process(worker.pid).children()

    worker.kill()
    worker.wait()
    assert worker.stdout
    worker.stdout.close()

    wait_until(lambda: not horse.is_running() or horse.status() == psutil.STATUS_ZOMBIE, what="it has ended")
    part.start()
    assert answered(world, job) == EACH_ONCE
