"""Evaluations through the queue: they go on where they were, say what did not count, and stand at the registry."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from services.jobs.client import Job, Owner, read_parameters
from services.registry.client import RegistryClient
from tests.chaos.world import MODEL
from tests.integration.jobs.jobs_world import JobsWorld
from tests.parts import wait_until


def write_set(folder: Path, count: int, *, wrong: int = 0) -> Path:
    """Write pictures and a table of classes; the model calls each by its checksum, *wrong* are called otherwise."""
    folder.mkdir(parents=True)
    rows = []
    for number in range(count):
        path = folder / f"{number:04d}.png"
        Image.new("RGB", (9, 7), (number % 256, number // 256, 5)).save(path)
        label = f"{zlib.crc32(path.read_bytes()):08x}"
        rows.append(f"{path.name},{'other' if number < wrong else label}")
    (folder / "truth.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def registry(world: JobsWorld) -> Iterator[RegistryClient]:
    client = RegistryClient(world.registry_address)
    yield client
    client.close()


def submit(world: JobsWorld, **parameters: Any) -> Job:
    asked = {"kind": "evaluate", "model": MODEL, "task": "classify", **parameters}
    return world.client.submit(read_parameters(msgspec.json.encode(asked)), owner=Owner(client_id="ann"))


def result(world: JobsWorld, job: Job) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(world.client.result(job.id, "report.json", client_id=None).read_bytes())
    return told


def test_a_model_is_judged_and_the_report_stands_at_the_registry(world: JobsWorld, registry: RegistryClient) -> None:
    folder = write_set(world.sources / "pets", 20, wrong=5)

    job = submit(world, labelled_set=str(folder), set_name="pets")
    ended = world.wait_for(job.id)

    report, kept = result(world, job), registry.report(job.id)
    assert report["figures"] == ended.figures == {"top_1": 0.75, "top_5": 0.75}
    assert (kept.model_key, kept.set_name, kept.actor) == (MODEL, "pets", "ann")
    assert kept.figures["top_1"] == 0.75
    assert json.loads(kept.document)["labelled_set"]["sha256"] == kept.set_sha256
    assert job.id in registry.model(MODEL).reports
    assert len(report["worst"]) == 5
    assert b"data:image/jpeg" in world.client.result(job.id, "report.html", client_id=None).read_bytes()


def test_a_killed_worker_costs_no_picture(world: JobsWorld) -> None:
    folder = write_set(world.sources / "many", 400)
    job = submit(world, labelled_set=str(folder), record=False)
    wait_until(lambda: world.job(job.id).done >= 40, what="a part is done")

    worker = world.parts["jobs-0"]
    worker.kill()
    before = world.job(job.id)
    worker.start()
    ended = world.wait_for(job.id)

    assert before.state == "running", "killed too late to show anything"
    assert (ended.runs, ended.figures["top_1"]) == (2, 1.0)
    assert result(world, job)["labelled_set"]["pictures"] == 400
    assert any("have their answer already" in line for line in world.client.log(job.id, client_id=None))


def test_a_set_in_an_archive_and_a_picture_that_the_model_cannot_read(world: JobsWorld) -> None:
    folder = write_set(world.sources / "packed", 4)
    Image.new("RGB", (5, 5)).save(folder / "x.bmp")
    with (folder / "truth.csv").open("a") as table:
        table.write("\nx.bmp,other")
    archive = world.sources / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in folder.iterdir():
            packed.write(path, f"packed/{path.name}")

    job = submit(world, labelled_set=str(archive), record=False)
    world.wait_for(job.id)

    report = result(world, job)
    assert report["labelled_set"]["pictures"] == 5
    assert report["figures"]["top_1"] == 0.8


def test_bad_annotations_fail_the_job_in_clear_words(world: JobsWorld, registry: RegistryClient) -> None:
    folder = write_set(world.sources / "bad", 2)
    (folder / "truth.csv").write_text("0000.png\n0009.png,dog\n")

    job = submit(world, labelled_set=str(folder))
    ended = world.wait_for(job.id, "failed")

    assert "truth.csv:1: no label behind the picture's name" in ended.problem
    assert "0009.png: no such picture" in ended.problem
    assert all(report.id != job.id for report in registry.reports(MODEL))


def test_a_set_that_says_nothing_of_the_task_is_refused(world: JobsWorld) -> None:
    folder = write_set(world.sources / "untold", 2)

    job = submit(world, labelled_set=str(folder), task="bbox", record=False)

    assert "says nothing of the task bbox" in world.wait_for(job.id, "failed").problem
