"""What a newcomer sees: one command, a photograph with boxes, and other photographs by curl."""

from __future__ import annotations

from pathlib import Path

import httpx
from PIL import Image

from demo import pictures
from tests.e2e.conftest import CLASSIFIER, DETECTOR
from tests.e2e.running import RunningSuite, labels, regions


def test_up_shows_what_is_in_a_photograph_and_where_the_time_went(suite: RunningSuite) -> None:
    said = suite.said

    assert "cup" in said and "dining table" in said
    assert "queue: waited" in said and "the network" in said
    assert f"It answers at {suite.url}" in said and "servoir down" in said


def test_up_writes_the_photograph_with_boxes(suite: RunningSuite) -> None:
    with Image.open(pictures.path("coffee")) as sent, Image.open(suite.home / "out" / "coffee.png") as annotated:
        assert annotated.size == sent.size
        assert annotated.convert("RGB").tobytes() != sent.convert("RGB").tobytes()


def test_up_again_changes_nothing(suite: RunningSuite) -> None:
    before = {name: row["pid"] for name, row in suite.processes().items()}

    suite.up("--no-photo")

    assert {name: row["pid"] for name, row in suite.processes().items()} == before


def test_status_shows_every_part_serving(suite: RunningSuite) -> None:
    rows = suite.processes()

    assert {"mongod", "valkey", "registry", "dispatcher", "gateway", "nginx"} < set(rows)
    assert all(row["serving"] for row in rows.values())
    assert suite.run("status").returncode == 0


def test_a_cat_is_found_in_the_picture_of_a_cat(suite: RunningSuite) -> None:
    answer = suite.post(pictures.path("chelsea").read_bytes(), key=DETECTOR)

    assert list(labels(answer)) == ["cat"]
    attributes, shape = regions(answer)[0]["region_attributes"], regions(answer)[0]["shape_attributes"]
    assert attributes["score"] > 0.9 and len(attributes["color"]) == 3
    assert shape["name"] == "rect" and all(isinstance(shape[side], int) for side in ("x", "y", "width", "height"))


def test_an_answer_says_where_it_comes_from_and_what_it_took(suite: RunningSuite) -> None:
    envelope = suite.post(pictures.path("coffee").read_bytes(), key=DETECTOR, X_Request_Id="told-by-the-client").json()

    assert envelope["request_id"] == "told-by-the-client"
    assert envelope["model"] == {"key": DETECTOR, "version": "1", "task": "bbox"}
    assert envelope["queue"]["batch_size"] >= 1 and envelope["queue"]["attempts"] == 1
    timings = envelope["timings"]
    parts = sum(timings[name] for name in ("image_read", "queue_wait", "decode", "infer", "postprocess"))
    assert 0 < timings["infer"] < parts <= timings["tt_turnaround"]


def test_without_a_key_the_default_model_of_the_task_answers(suite: RunningSuite) -> None:
    files = {"image": ("coffee.png", pictures.path("coffee").read_bytes())}

    envelope = httpx.post(f"{suite.url}/api/vision/v3/predict/bbox", files=files, timeout=60).json()

    assert envelope["type"] == DETECTOR
    assert list(envelope["result"]) == ["coffee.png"]


def test_two_models_answer_at_once_on_two_ports(suite: RunningSuite) -> None:
    cat = pictures.path("chelsea").read_bytes()

    classes = suite.post(cat, key=CLASSIFIER, task="classify").json()["result"]["picture"]["classes"]

    assert any("cat" in guess["label"] or guess["label"] == "Egyptian Mau" for guess in classes[:3])
    assert list(labels(suite.post(cat, key=DETECTOR))) == ["cat"]
    rows = suite.processes()
    assert rows[f"model-{DETECTOR}-0"]["ports"][0] != rows[f"model-{CLASSIFIER}-0"]["ports"][0]


def test_the_command_asks_and_draws(suite: RunningSuite, tmp_path: Path) -> None:
    answer = suite.run("predict", str(pictures.path("coffee")), "--model", DETECTOR, "--draw", str(tmp_path))

    assert answer.returncode == 0 and "cup" in answer.stdout
    assert (tmp_path / "coffee.png").exists()
