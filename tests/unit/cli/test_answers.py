"""What an answer of the API looks like in words, and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.answers import found, print_hops
from cli.drawing import draw
from cli.output import readable_bytes, readable_seconds

RED = [1.0, 0.0, 0.0]
RECT = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40}
LANE = {"name": "polyline", "all_points_x": [0, 99], "all_points_y": [50, 50]}


def _region(shape: dict[str, Any]) -> dict[str, Any]:
    return {"region_attributes": {"label": "cup", "score": 0.96, "color": RED}, "shape_attributes": shape}


def test_regions_and_classes_are_told_with_their_place() -> None:
    file = {"filename": "a.jpg", "regions": [_region(RECT), _region(LANE)], "classes": [{"label": "mug", "score": 0.5}]}

    told = [(thing["label"], thing["where"]) for thing in found({"result": {"a.jpg": file}})]

    assert told == [("cup", "30x40 at (10, 20)"), ("cup", "polyline of 2 points"), ("mug", "whole picture")]


def test_the_hops_say_what_is_between_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    parts = {"image_read": 0.001, "queue_wait": 0.002, "decode": 0.003, "infer": 0.02, "postprocess": 0.0}

    print_hops({"timings": {**parts, "tt_turnaround": 0.03}}, whole_s=0.035)

    said = capsys.readouterr().out
    assert "between them: Redis, dispatcher, gRPC   4.0 ms" in said
    assert "client and nginx                        5.0 ms" in said


@pytest.mark.parametrize(("shape", "touched"), [(RECT, (10, 50)), (LANE, (80, 50))])
def test_a_region_is_drawn_in_its_colour(tmp_path: Path, shape: dict[str, Any], touched: tuple[int, int]) -> None:
    Image.new("RGB", (100, 100), "white").save(tmp_path / "sent.png")

    draw(tmp_path / "sent.png", [_region(shape)], tmp_path / "out" / "drawn.png")

    with Image.open(tmp_path / "out" / "drawn.png") as drawn:
        assert drawn.size == (100, 100)
        assert drawn.getpixel(touched) == (255, 0, 0)


def test_figures_are_readable() -> None:
    assert [readable_bytes(count) for count in (5, 2048, 3 * 2**20, 2**31)] == ["5 B", "2 KiB", "3.0 MiB", "2.0 GiB"]
    assert [readable_seconds(s) for s in (0.0123, 4.5, 600, 9000)] == ["12.3 ms", "4.5 s", "10 min", "2.5 h"]
