"""Versions 2 and 3 held to recorded examples: the same members, of the same types, in the same places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes_gateway import answer, prediction
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.posting import V2, V3, post

EXAMPLES = Path(__file__).parent / "examples"
POLYGON = {"name": "polygon", "all_points_x": [1, 5, 3], "all_points_y": [1, 1, 4]}
RECT = {"name": "rect", "x": 1, "y": 1, "width": 5, "height": 4}
LANE = {"name": "polyline", "all_points_x": [10, 12, 15], "all_points_y": [700, 500, 300]}


def region(shape: dict[str, Any], label: str = "bicycle") -> dict[str, Any]:
    return {"region_attributes": {"label": label, "score": 0.9995}, "shape_attributes": shape}


FOUND = {
    "bbox": ("acme-coco_things-1", [region(RECT | {"x": 335, "y": 426, "width": 108, "height": 332})]),
    "polygon": ("acme-shapes-1", [region(RECT), region(POLYGON)]),
    "lane": ("acme-lanes-3", [region(LANE, "lane")]),
}


def shape_of(value: Any) -> Any:
    """Return *value* with what changes from call to call replaced by its kind."""
    if isinstance(value, dict):
        return {name: _changing(name, inner) for name, inner in value.items()}
    return [shape_of(inner) for inner in value] if isinstance(value, list) else value


def _changing(name: str, value: Any) -> Any:
    if name == "uuid":
        assert value.startswith("pred-")
        return "pred-<uuid4>"
    if name == "timings":
        assert all(isinstance(seconds, float | int) and seconds >= 0 for seconds in value.values())
        return sorted(value)
    return "<id>" if name == "request_id" else shape_of(value)


@pytest.mark.parametrize("task", FOUND)
@pytest.mark.parametrize("base", [V2, V3])
def test_an_answer_is_as_recorded(gateway: Gateway, base: str, task: str) -> None:
    key, regions = FOUND[task]
    gateway.queue.answer_to = lambda _: answer(body=prediction(regions))
    recorded = json.loads((EXAMPLES / f"{base[-2:]}_{task}.json").read_text())

    response = post(gateway.client, f"{base}/predict/{task}", q=key)

    assert shape_of(response.json) == recorded


@pytest.mark.parametrize("path", ["predict", "predict/bbox", "predictq", "predictq/bbox"])
def test_version_2_answers_at_every_address_that_its_clients_call(gateway: Gateway, path: str) -> None:
    response = post(gateway.client, f"{V2}/{path}")

    assert response.json is not None
    assert list(response.json) == ["api", "type", "dnnarch", "result", "status_code", "timings"]
    assert list(response.json["timings"]) == ["image_read", "detect_with_json", "res_preparation", "tt_turnaround"]


def test_version_2_says_among_the_attributes_why_one_of_several_pictures_failed(gateway: Gateway) -> None:
    response = post(gateway.client, f"{V2}/predict", ("a.png", b"no image"), ("b.gif", b"GIF89a\5\0\5\0"))

    assert response.json is not None
    failed, good = response.json["result"]["a.png"], response.json["result"]["b.gif"]
    assert list(failed) == list(good) == ["filename", "size", "file_attributes", "regions"]
    assert failed["regions"] == []
    assert "not an image" in failed["file_attributes"]["error"]


def test_version_3_has_no_predictq_and_version_2_no_classify(gateway: Gateway) -> None:
    assert post(gateway.client, f"{V3}/predictq").status_code == 404
    assert post(gateway.client, f"{V2}/predict/classify").status_code == 404


def test_an_error_is_one_shape_for_both_versions(gateway: Gateway) -> None:
    for base in (V2, V3):
        response = post(gateway.client, f"{base}/predict", q="acme-unknown-1", headers={"X-Request-Id": "mine"})

        assert response.mimetype == "application/problem+json"
        assert response.json == {
            "type": "about:blank",
            "title": "Not found",
            "status": 404,
            "detail": "no such model: acme-unknown-1",
            "error": "no such model: acme-unknown-1",
            "request_id": "mine",
        }
