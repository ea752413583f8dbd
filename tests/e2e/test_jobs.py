"""Background jobs by the command, in a suite that ``servoir up`` started."""

from __future__ import annotations

import json
import os
import signal
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from demo import pictures
from tests.e2e.conftest import DETECTOR
from tests.e2e.running import RunningSuite
from tests.parts import wait_until

COUNT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of photographs, and one file that is none."""
    made = tmp_path_factory.mktemp("photographs")
    photographs = [pictures.path(name).read_bytes() for name in ("coffee", "astronaut", "chelsea")]
    for number in range(COUNT):
        (made / f"{number:03d}.jpg").write_bytes(photographs[number % len(photographs)])
    (made / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    return made


def test_a_folder_is_predicted_and_its_results_fetched(suite: RunningSuite, folder: Path, tmp_path: Path) -> None:
    formats = [word for name in ("jsonl", "via", "coco", "csv", "annotated") for word in ("--format", name)]
    answer = suite.run("jobs", "submit", str(folder), "--model", DETECTOR, *formats, "--follow", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    job = json.loads(answer.stdout[answer.stdout.index("{") :])

    fetched = suite.run("jobs", "results", job["id"], "--to", str(tmp_path))

    assert fetched.returncode == 0, fetched.stderr
    assert (job["state"], job["done"], job["figures"]["broken"]) == ("done", COUNT + 1, 1)
    found = json.loads((tmp_path / "via.json").read_text())
    labels = {region["region_attributes"]["label"] for region in found["000.jpg"]["regions"]}
    assert "cup" in labels
    assert len(json.loads((tmp_path / "coco.json").read_text())["images"]) == COUNT
    with zipfile.ZipFile(tmp_path / "annotated.zip") as packed:
        assert len(packed.namelist()) == COUNT
    listed = json.loads(suite.run("jobs", "list", "--json").stdout)
    assert job["id"] in [one["id"] for one in listed]
    assert f"{COUNT + 1} pictures" in suite.run("jobs", "log", job["id"]).stdout


def test_an_upload_outlives_the_worker(suite: RunningSuite, folder: Path, tmp_path: Path) -> None:
    answer = suite.run("jobs", "submit", str(folder), "--model", DETECTOR, "--upload", "--background")
    assert answer.returncode == 0, answer.stderr
    job = answer.stdout.strip()

    wait_until(lambda: json.loads(suite.run("jobs", "show", job, "--json").stdout)["done"] > 3, what="it is at work")
    os.kill(suite.processes()["jobs"]["pid"], signal.SIGKILL)
    followed = suite.run("jobs", "show", job, "--follow")

    assert followed.returncode == 0, followed.stdout + followed.stderr
    suite.run("jobs", "results", job, "predictions.jsonl", "--to", str(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert Counter(line["filename"] for line in lines) == Counter(path.name for path in folder.iterdir())


def test_what_cannot_be_done_is_refused_with_advice(suite: RunningSuite, folder: Path) -> None:
    unknown = suite.run("jobs", "submit", str(folder), "--model", "no-such-1")
    absent = suite.run("jobs", "submit", "/absent/folder", "--background")
    kind = suite.run("jobs", "start", "paint", "colour=red")

    assert [answer.returncode for answer in (unknown, absent, kind)] == [3, 1, 3]
    assert "no such model" in unknown.stderr
    assert "$.kind" in kind.stderr
