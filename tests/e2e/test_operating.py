"""What an operator does to a running suite with the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx

from demo import pictures
from tests.cache import demo_model
from tests.e2e.conftest import DETECTOR
from tests.e2e.running import RunningSuite

KEY = "acme-screws-1"


def _folder(parent: Path) -> Path:
    """Return a model folder of an operator's own: the demo detector under another key."""
    folder = parent / KEY
    shutil.copytree(demo_model(DETECTOR), folder)
    description = folder / f"{DETECTOR}.yaml"
    told = description.read_text().replace("org_name: demo", "org_name: acme").replace("coco_things", "screws")
    (folder / f"{KEY}.yaml").write_text(told)
    description.unlink()
    return folder


def test_a_model_is_published_once_found_by_its_key_and_retired(suite: RunningSuite, tmp_path: Path) -> None:
    folder = _folder(tmp_path)

    first = suite.run("publish", str(folder), "--release", "--json")
    again = suite.run("publish", str(folder), "--release")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert json.loads(first.stdout)["status"] == "released"
    assert KEY in suite.run("models").stdout
    assert (suite.home / "store" / "models" / KEY / "saved_model" / "saved_model.pb").exists()
    assert suite.run("retire", KEY).returncode == 0
    assert suite.post(pictures.path("coffee").read_bytes(), key=KEY).status_code == 404


def test_a_model_without_a_server_is_503_and_the_command_says_where_to_look(
    suite: RunningSuite, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    (folder / f"{KEY}.yaml").rename(folder / "acme-screws-2.yaml")
    told = (folder / "acme-screws-2.yaml").read_text().replace("rel_num: '1'", "rel_num: '2'")
    (folder / "acme-screws-2.yaml").write_text(told)
    assert suite.run("publish", str(folder)).returncode == 0

    answer = suite.post(pictures.path("coffee").read_bytes(), key="acme-screws-2")
    asked = suite.run("predict", str(pictures.path("coffee")), "--model", "acme-screws-2", "--task", "bbox")

    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    assert asked.returncode == 4 and "servoir status" in asked.stderr


def test_another_model_under_a_published_key_is_refused(suite: RunningSuite, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    description = folder / f"{KEY}.yaml"
    assert suite.run("publish", str(folder)).returncode == 0
    description.write_text(description.read_text().replace("score_threshold: 0.5", "score_threshold: 0.9"))

    answer = suite.run("publish", str(folder))

    assert answer.returncode == 3
    assert "409" in answer.stderr and "another release" in answer.stderr


def test_changes_need_the_admin_token_and_questions_do_not(suite: RunningSuite) -> None:
    refused = httpx.post(f"{suite.url}/api/vision/v3/models/{DETECTOR}/retire", json={})

    assert refused.status_code == 401
    assert suite.run("retire", DETECTOR, SERVOIR_ADMIN_TOKEN="wrong").returncode == 3
    assert httpx.get(f"{suite.url}/api/vision/v3/models").status_code == 200


def test_queues_and_quarantines_are_shown(suite: RunningSuite) -> None:
    suite.post(pictures.path("coffee").read_bytes(), key=DETECTOR)

    queues = json.loads(suite.run("queue", "--json").stdout)

    (row,) = [row for row in queues if row["model"] == DETECTOR]
    assert row["replicas"] == 2 and row["drain_rate"] > 0
    assert DETECTOR in suite.run("queue").stdout
    assert "Nothing" in suite.run("quarantine", "list", DETECTOR).stdout
