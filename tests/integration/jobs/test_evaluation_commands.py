"""``servoir evaluate``, and a release that depends on what came out, as an operator types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chaos.subjects import Echo
from tests.chaos.world import MODEL
from tests.integration.jobs.jobs_world import JobsWorld
from tests.integration.jobs.test_evaluation_jobs import write_set
from tests.model_folders import echo_folder
from tests.parts import ROOT, wait_until

pytestmark = pytest.mark.slow
REFUSED = 3


class Classifier(Echo):
    """An echo that is known to classify: it calls each picture by its checksum."""

    def __init__(self, folder: Path) -> None:
        self.folder = echo_folder(folder, org_name="chaos", task="classify")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobsWorld]:
    folder = tmp_path_factory.mktemp("commands")
    made = JobsWorld(folder, subject=Classifier(folder / "model"), gateways=1, SERVOIR_ADMIN_TOKEN="root's")
    url = f"http://{made.gateways[0]}/health/ready"
    wait_until(lambda: httpx.get(url, timeout=5).status_code == 200, what="the gateway is ready")
    yield made
    made.stop()


def servoir(world: JobsWorld, *arguments: str) -> subprocess.CompletedProcess[str]:
    told = {"SERVOIR_URL": f"http://{world.gateways[0]}", "SERVOIR_ADMIN_TOKEN": "root's"}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, "SERVOIR_HOME": str(world.folder / "cli"), **told},
        capture_output=True,
        text=True,
        timeout=120,
    )


def release(world: JobsWorld, *demands: str) -> subprocess.CompletedProcess[str]:
    return servoir(world, "release", MODEL, "--registry-only", *demands)


def test_a_release_depends_on_a_report_and_the_history_says_on_which(world: JobsWorld, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "pets", 10, wrong=2)

    unjudged = release(world, "--require", "top_1>=0.5")
    judged = servoir(world, "evaluate", MODEL, str(folder), "--task", "classify", "--to", str(tmp_path / "out"))
    too_bad = release(world, "--require", "top_1>=0.9", "--on", "pets")
    elsewhere = release(world, "--require", "top_1>=0.5", "--on", "night")
    nonsense = release(world, "--require", "good")

    assert (unjudged.returncode, judged.returncode, too_bad.returncode) == (REFUSED, 0, REFUSED), judged.stderr
    assert f"there is no report on {MODEL}" in unjudged.stderr
    assert "top_1: 0.8" in judged.stdout
    assert "top_1 is 0.8, demanded is top_1>=0.9" in too_bad.stderr
    assert "no report on chaos-echo-1 on the set night; there are on pets" in elsewhere.stderr
    assert "say mAP>=0.20" in nonsense.stderr
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "out" / "report.json").read_text())["figures"]["top_1"] == 0.8

    accepted = release(world, "--require", "top_1>=0.75", "--on", "pets")

    assert accepted.returncode == 0, accepted.stderr
    reports = json.loads(servoir(world, "reports", MODEL, "--json").stdout)
    assert [(it["set"], it["kind"], it["figures"]["top_1"]) for it in reports] == [("pets", "evaluation", 0.8)]


def test_what_was_released_on_which_figures_is_in_the_history(world: JobsWorld, tmp_path: Path) -> None:
    servoir(world, "evaluate", MODEL, str(write_set(tmp_path / "cats", 4)), "--task", "classify")
    retired = servoir(world, "retire", MODEL, "--registry-only")
    assert retired.returncode == 0, retired.stderr

    answer = release(world, "--require", "top_1>=0.75", "--on", "cats")

    assert answer.returncode == 0, answer.stderr
    newest = json.loads(servoir(world, "history", MODEL, "--json").stdout)[0]
    assert (newest["action"], newest["after"], newest["by"]) == ("status", "released", "admin")
    assert newest["detail"].startswith("top_1 1 >= 0.75 on cats (report evaluate-")


def test_a_conversion_of_what_cannot_be_converted_is_refused_at_once(world: JobsWorld, tmp_path: Path) -> None:
    pictures = write_set(tmp_path / "pictures", 2)

    answer = servoir(world, "convert", MODEL, "--to", "onnx", "--pictures", str(pictures))

    assert answer.returncode == REFUSED
    assert "chaos-echo-1 runs on echo; what can be converted to onnx runs on tensorflow" in answer.stderr
