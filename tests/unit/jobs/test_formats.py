"""The results of a batch prediction: what each format says of the same lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest

from chassis.colors import color_of
from services.jobs.drawing import drawn
from services.jobs.images import BrokenPicture
from services.jobs.pictures import Picture
from services.jobs.prediction import coco, table, via
from services.jobs.prediction.line import Line, Problem, Region, answered, unread
from services.queue.client import Answer
from tests.fakes_gateway import png, prediction

RECT = Region({"label": "cat", "score": 0.9}, {"name": "rect", "x": 1, "y": 2, "width": 30, "height": 40})
SHAPE = Region(
    {"label": "yeti", "score": 0.5}, {"name": "polygon", "all_points_x": [0, 4, 4], "all_points_y": [0, 0, 3]}
)
LANE = Region({"label": "lane", "score": 0.7}, {"name": "polyline", "all_points_x": [1, 2], "all_points_y": [3, 4]})
LINES = [
    Line(filename="a.jpg", size=10, width=100, height=50, regions=[RECT]),
    Line(filename="=b.jpg", size=11, problem=Problem(422, "Undecodable image", "broken")),
    Line(filename="c.jpg", size=12, width=8, height=9, regions=[SHAPE, LANE]),
    Line(filename="d.jpg", size=13, width=8, height=9),
]


def written(write: Callable[..., None], classes: list[str] | None = None) -> str:
    file = io.BytesIO()
    write(file, lambda: iter(LINES), classes or [])
    return file.getvalue().decode()


def test_via_has_every_picture_with_its_regions_and_colours() -> None:
    told = json.loads(written(via.write))

    assert list(told) == ["a.jpg", "=b.jpg", "c.jpg", "d.jpg"]
    assert told["a.jpg"]["file_attributes"] == {"width": 100, "height": 50}
    assert told["a.jpg"]["regions"][0]["region_attributes"]["color"] == list(color_of("cat"))
    assert told["=b.jpg"] == {
        "filename": "=b.jpg",
        "size": 11,
        "file_attributes": {"problem": "broken"},
        "regions": [],
    }


def test_coco_has_the_models_ids_and_one_annotation_for_each_object() -> None:
    told = json.loads(written(coco.write, ["BG", "dog", "cat"]))

    assert [(image["id"], image["file_name"]) for image in told["images"]] == [(1, "a.jpg"), (3, "c.jpg"), (4, "d.jpg")]
    assert [(one["id"], one["name"]) for one in told["categories"]] == [(1, "dog"), (2, "cat"), (3, "yeti")]
    cat, yeti = told["annotations"]
    assert (cat["image_id"], cat["category_id"], cat["bbox"], cat["area"]) == (1, 2, [1, 2, 30, 40], 1200)
    assert (yeti["image_id"], yeti["category_id"], yeti["bbox"], yeti["area"]) == (3, 3, [0, 0, 4, 3], 6.0)
    assert yeti["segmentation"] == [[0, 0, 4, 0, 4, 3]]


def test_the_table_has_a_line_for_each_region_and_no_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(written(table.write))))

    assert [(row["filename"], row["label"], row["shape"]) for row in rows] == [
        ("a.jpg", "cat", "rect"),
        ("'=b.jpg", "", ""),
        ("c.jpg", "yeti", "polygon"),
        ("c.jpg", "lane", "polyline"),
        ("d.jpg", "", ""),
    ]
    assert (rows[0]["w"], rows[2]["points"], rows[1]["problem"]) == ("30", "0 0;4 0;4 3", "broken")


def test_a_line_leaves_out_what_the_model_is_less_sure_of() -> None:
    picture = Picture("a.jpg", b"12345")
    found = [{"region_attributes": {"label": "cat", "score": score}, "shape_attributes": {}} for score in (0.4, 0.6)]

    line = answered(picture, Answer(200, prediction(found)), min_score=0.5)

    assert [region.region_attributes["score"] for region in line.regions] == [0.6]
    assert (line.filename, line.size, line.width) == ("a.jpg", 5, 1920)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(415, b'{"title": "No", "detail": "why"}'), 415),
        (Answer(500, b"{}"), 500),
        (Answer(200, b"{"), 500),
        (Answer(422, b"no json"), 500),
    ],
)
def test_what_has_no_prediction_has_a_problem(answer: Answer, status: int) -> None:
    line = answered(Picture("a.jpg", b"1"), answer, min_score=0)

    assert line.problem
    assert line.problem.status == status


def test_what_cannot_be_read_says_why() -> None:
    assert unread(Picture("a.jpg", b"", "gone")).problem == Problem(422, "Unreadable picture", "gone")


def test_regions_are_drawn_and_what_is_no_picture_is_not() -> None:
    plain, marked = drawn(png(200, 100), []), drawn(png(200, 100), [RECT, SHAPE, LANE])

    assert plain.startswith(b"\xff\xd8\xff")
    assert plain != marked
    with pytest.raises(BrokenPicture):
        drawn(b"no picture", [])


def test_a_rectangle_without_extent_is_drawn_too() -> None:
    assert drawn(png(20, 10), [Region({"label": "x"}, {"name": "rect", "x": 5, "y": 5, "width": -1, "height": 0})])
