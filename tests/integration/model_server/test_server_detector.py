"""The demo detector served by a real process: the same answers alone, in any batch and beside bad items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from skimage import data as pictures

from chassis.rpc import model_server_pb2 as pb
from tests.integration.model_server.serving import Serving
from tests.model_folders import coco_folder

pytestmark = pytest.mark.slow
KEY = "acme-coco-1"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = coco_folder(tmp_path_factory.mktemp("coco"), max_batch_size=4)
    serving = Serving(folder, "--tune", "off", "--concurrency", "2")
    yield serving
    serving.stop()


def picture(name: str) -> bytes:
    return (Path(pictures.__file__).parent / name).read_bytes()


def regions(outcome: pb.Outcome) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(outcome.prediction)["regions"]
    return found


def test_a_cat_is_a_cat(detector: Serving) -> None:
    (outcome,) = detector.predict(KEY, [picture("chelsea.png")]).outcomes

    assert [region["region_attributes"]["label"] for region in regions(outcome)] == ["cat"]  # type: ignore[index]


def test_pictures_of_any_size_join_in_one_batch_and_are_answered_as_they_are_alone(detector: Serving) -> None:
    payloads = [picture(name) for name in ("chelsea.png", "coffee.png", "motorcycle_left.png", "astronaut.png")]

    together = detector.predict(KEY, payloads)
    alone = [detector.predict(KEY, [payload]).outcomes[0] for payload in payloads]

    assert [regions(outcome) for outcome in together.outcomes] == [regions(outcome) for outcome in alone]
    assert all(regions(outcome) for outcome in alone)


def test_broken_pictures_cost_their_neighbours_nothing(detector: Serving) -> None:
    cat = picture("chelsea.png")

    response = detector.predict(KEY, [cat, b"no picture", cat[:2000], b""])

    assert regions(response.outcomes[0])
    assert [outcome.problem.status for outcome in response.outcomes[1:]] == [415, 422, 415]
