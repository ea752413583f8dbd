"""What is reckoned from truth and answers: average precision, thresholds, confusion, lanes, first guesses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from chassis.errors import BadRequest
from chassis.rpc import inference_pb2 as pb
from services.jobs.evaluation import page
from services.jobs.evaluation.class_figures import top_figures
from services.jobs.evaluation.coco_figures import coco_figures
from services.jobs.evaluation.confusion import box_confusion
from services.jobs.evaluation.detections import Answered, Found, payload, read_answer, task_to_ask
from services.jobs.evaluation.judging import Judged, judge
from services.jobs.evaluation.labelled_set import LabelledSet, Lanes, Picture
from services.jobs.evaluation.labels import match_labels
from services.jobs.evaluation.lane_figures import lane_figures
from services.jobs.evaluation.matching import match
from services.jobs.evaluation.report import demandable, for_registry
from services.jobs.evaluation.thresholds import best_threshold, best_thresholds
from services.registry.client import Modelinfo
from tests.unit.jobs.evaluation_sets import a_set, truth

DOG, CAT = (10.0, 10.0, 30.0, 30.0), (60.0, 20.0, 30.0, 40.0)
MODEL = Modelinfo(
    org_name="acme",
    problem_id="pets",
    rel_num="1",
    task="bbox",
    dnnarch="ssd_mobilenet_v2",
    framework_type="tensorflow",
    classes=("BG", "dog", "cat"),
)


def shifted(box: tuple[float, float, float, float], by: float) -> tuple[float, float, float, float]:
    return (box[0] + by, box[1], box[2], box[3])


def judged(labelled: LabelledSet, answers: dict[str, Answered], *, task: str = "bbox", **labels: str):
    matched = match_labels(labelled, [label for label in MODEL.classes if label], labels)
    return judge(Judged("evaluate-1", MODEL, task, "2026-01-02T03:04:05Z", False), matched, answers)


def test_what_is_found_exactly_has_a_precision_of_one() -> None:
    labelled = a_set({"a": [truth("dog", DOG), truth("cat", CAT)]})

    told = coco_figures(labelled, {"a": [Found("dog", 0.9, DOG), Found("cat", 0.8, CAT)]}, "bbox")

    assert [told.figures[name] for name in ("mAP", "mAP_50", "AR_100")] == pytest.approx([1.0, 1.0, 1.0])
    assert [it.objects for it in told.classes] == [1, 1]


def test_a_set_in_which_nothing_was_found_has_zero_and_not_nothing() -> None:
    labelled = a_set({"a": [truth("dog", DOG)]})

    told = coco_figures(labelled, {}, "bbox")

    assert told.figures["mAP"] == 0.0
    assert (told.classes[0].ap, told.classes[1].ap) == (0.0, None)


def test_a_set_without_things_has_no_figure() -> None:
    told = coco_figures(a_set({"a": []}), {"a": [Found("dog", 0.9, DOG)]}, "bbox")

    assert told.figures["mAP"] is None


def test_things_in_a_crowd_are_neither_right_nor_wrong() -> None:
    crowd = {"counts": [0, 8000], "size": [80, 100]}
    truths = [truth("dog", DOG), truth("dog", (0, 0, 100, 80), crowd=True, rle=crowd)]
    inside = [Found("dog", 0.95, shifted(DOG, 40)), Found("dog", 0.9, DOG)]

    told = coco_figures(a_set({"a": truths}), {"a": inside}, "bbox")

    assert told.figures["mAP"] == pytest.approx(1.0)
    assert told.classes[0].objects == 1


def test_labels_that_the_set_lacks_do_not_count() -> None:
    found = {"a": [Found("zebra", 0.99, DOG), Found("dog", 0.9, DOG)]}

    assert coco_figures(a_set({"a": [truth("dog", DOG)]}), found, "bbox").figures["mAP"] == pytest.approx(1.0)


def test_masks_are_judged_by_their_outlines() -> None:
    triangle, square = (10.0, 10.0, 40.0, 10.0, 40.0, 40.0), (10.0, 10.0, 40.0, 10.0, 40.0, 40.0, 10.0, 40.0)
    labelled = a_set({"a": [truth("dog", DOG, area=450, polygons=(triangle,))]})

    exact = coco_figures(labelled, {"a": [Found("dog", 0.9, DOG, triangle)]}, "segm")
    rough = coco_figures(labelled, {"a": [Found("dog", 0.9, DOG, square)]}, "segm")

    assert exact.figures["mAP"] == pytest.approx(1.0)
    assert rough.figures["mAP_75"] == 0.0
    assert coco_figures(labelled, {"a": [Found("dog", 0.9, DOG, square)]}, "bbox").figures["mAP"] == pytest.approx(1.0)


def test_small_things_are_told_apart_from_large_ones() -> None:
    small, large = (1.0, 1.0, 10.0, 10.0), (0.0, 0.0, 100.0, 79.0)
    labelled = a_set({"a": [truth("dog", small)], "b": [truth("dog", large)]})

    told = coco_figures(labelled, {"b": [Found("dog", 0.9, large)]}, "bbox")

    assert (told.figures["mAP_small"], told.figures["mAP_medium"]) == (0.0, pytest.approx(1.0))
    assert told.classes[0].by_size == {"small": 0.0, "medium": pytest.approx(1.0), "large": None}


def test_the_best_threshold_is_where_f1_is_best() -> None:
    hits = [(0.9, True), (0.8, True), (0.6, False), (0.5, True), (0.3, False), (0.2, False)]

    best = best_threshold(hits, there=4)

    assert best is not None
    assert (best.score, best.precision, best.recall) == (0.5, 0.75, 0.75)


def test_equal_scores_come_and_go_together_and_of_equal_thresholds_the_highest_is_taken() -> None:
    tied = best_threshold([(0.5, True), (0.5, False)], there=1)
    higher = best_threshold([(0.9, True), (0.4, False), (0.4, True)], there=1)

    assert tied is not None and (tied.precision, tied.recall) == (0.5, 1.0)
    assert higher is not None and higher.score == 0.9


@pytest.mark.parametrize(("score", "shown"), [(0.87656, 0.8765), (0.87654, 0.8765), (0.57, 0.57), (1.0, 1.0)])
def test_a_best_threshold_shows_what_it_was_found_by(score: float, shown: float) -> None:
    labelled, found = a_set({"a": [truth("dog", DOG)]}), {"a": [Found("dog", score, DOG)]}

    report = judged(labelled, {"a": Answered(tuple(found["a"]))})

    assert report.thresholds["dog"].score == shown
    assert report.confusion is not None and report.confusion.count("dog", "dog") == 1
    assert (report.worst, f"{shown:.4f}" in page.render(report)) == ((), True)


def test_a_class_that_was_never_right_has_no_threshold() -> None:
    labelled = a_set({"a": [truth("dog", DOG), truth("cat", CAT)]})

    assert set(best_thresholds(labelled, {"a": [Found("dog", 0.7, DOG), Found("cat", 0.9, DOG)]})) == {"dog"}


def test_each_thing_is_found_once_and_the_surest_comes_first() -> None:
    pairs = match([Found("dog", 0.6, DOG), Found("dog", 0.9, shifted(DOG, 2))], [truth("dog", DOG)])

    assert [thing.score for thing, _ in pairs.pairs] == [0.9]
    assert [thing.score for thing in pairs.extra] == [0.6]


def test_a_wrong_label_is_a_confusion_and_not_a_miss() -> None:
    labelled = a_set({"a": [truth("dog", DOG), truth("cat", CAT)], "b": [truth("dog", DOG)]})
    found = {"a": [Found("cat", 0.9, DOG), Found("cat", 0.8, CAT)], "b": [Found("cat", 0.9, (70, 0, 9, 9))]}

    told = box_confusion(labelled, found, {}, otherwise=0.5)

    assert told.count("dog", "cat") == 1
    assert told.count("cat", "cat") == 1
    assert (told.count("dog", ""), told.count("", "cat")) == (1, 1)


def test_what_is_below_its_threshold_is_not_shown() -> None:
    labelled = a_set({"a": [truth("dog", DOG)]})

    told = box_confusion(labelled, {"a": [Found("dog", 0.6, DOG)]}, {"dog": 0.7}, otherwise=0.5)

    assert (told.count("dog", "dog"), told.count("dog", "")) == (0, 1)


def test_labels_are_renamed_ignored_and_unknown_ones_reported() -> None:
    truths = [truth("Dog", DOG), truth("unicorn", CAT), truth("shadow", CAT), truth("unicorn", CAT)]
    labelled = a_set({"a": truths}, labels=("Dog", "unicorn", "shadow"))

    matched = match_labels(labelled, ["dog", "cat"], {"Dog": "dog", "shadow": ""})

    assert [it.label for it in matched.labelled.pictures[0].truths] == ["dog"]
    assert matched.labelled.labels == ("dog",)
    assert (matched.unknown, matched.ignored) == ({"unicorn": 2}, {"shadow": 1})


@pytest.mark.parametrize(
    ("mapping", "told"),
    [({"horse": "dog"}, "the set has no 'horse'"), ({"dog": "horse"}, "the model knows no 'horse'")],
)
def test_a_mapping_of_what_is_not_there_is_refused(mapping: dict[str, str], told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        match_labels(a_set({"a": [truth("dog", DOG)]}), ["dog", "cat"], mapping)


def test_a_set_of_which_the_model_knows_nothing_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadRequest, match="the model knows none of the set's labels"):
        match_labels(a_set({"a": [truth("dog", DOG)]}), ["person"], {})


ROWS = tuple(float(row) for row in range(0, 100, 10))
STRAIGHT = Lanes(ROWS, ((50.0,) * 10,))


def line(x: float, top: float = 0.0, bottom: float = 90.0) -> list[float]:
    return [x, bottom, x, top]


def test_a_lane_within_twenty_pixels_is_right_and_one_beyond_is_not() -> None:
    near, far = lane_figures(STRAIGHT, [line(69.0)]), lane_figures(STRAIGHT, [line(71.0)])

    assert (near.accuracy, near.false_positive, near.false_negative) == (1.0, 0.0, 0.0)
    assert (far.accuracy, far.false_positive, far.false_negative) == (0.0, 1.0, 1.0)


def test_a_slanted_lane_may_be_further_off_along_the_row() -> None:
    slanted = Lanes(ROWS, (tuple(2 * row for row in ROWS),))

    assert lane_figures(slanted, [[40.0, 0.0, 220.0, 90.0]]).accuracy == 1.0


def test_a_lane_that_is_too_short_counts_by_its_points_but_is_not_found() -> None:
    half = lane_figures(STRAIGHT, [line(50.0, top=50.0)])

    assert (half.accuracy, half.false_negative) == (0.5, 1.0)


def test_more_than_two_lanes_too_many_are_nothing() -> None:
    assert lane_figures(STRAIGHT, [line(50.0)] * 3).accuracy == 1.0
    assert lane_figures(STRAIGHT, [line(50.0)] * 4).accuracy == 0.0


def test_of_five_lanes_the_worst_is_let_go() -> None:
    five = Lanes(ROWS, tuple((100.0 * at,) * 10 for at in range(1, 6)))

    told = lane_figures(five, [line(100.0 * at) for at in range(1, 5)])

    assert (told.accuracy, told.false_negative) == (1.0, 0.0)


def test_the_first_guess_and_the_first_five() -> None:
    pictures = tuple(Picture(name, Path(name), 9, 9, classes=("cat",)) for name in ("a", "b", "c", "d"))
    labelled = LabelledSet("pets", "csv", ("cat", "dog"), pictures)
    six = [(label, 0.1) for label in "123456"]
    guesses = {"a": [("cat", 0.9)], "b": [("dog", 0.6), ("cat", 0.4)], "c": [*six, ("cat", 0.01)], "d": []}

    figures, [cat], confusion = top_figures(labelled, guesses)

    assert figures == {"top_1": 0.25, "top_5": 0.5}
    assert (cat.label, cat.pictures, cat.top_1) == ("cat", 4, 0.25)
    assert (confusion.count("cat", "cat"), confusion.count("cat", "dog"), confusion.count("cat", "")) == (1, 1, 1)


def test_a_detector_is_asked_for_every_box_and_others_for_what_they_serve() -> None:
    other = msgspec.structs.replace(MODEL, dnnarch="mb3_centernet")

    assert task_to_ask(MODEL, "bbox") == "tensor"
    assert task_to_ask(other, "bbox") == "bbox"


def test_tensors_become_boxes_in_pixels_without_a_threshold() -> None:
    response = pb.ModelInferResponse()
    values = {
        "detection_boxes": np.float32([[[0.125, 0.1, 0.5, 0.4], [0, 0, 1, 1], [0, 0, 0, 0]]]),
        "detection_scores": np.float32([[0.75, 0.01, 0.0]]),
        "detection_classes": np.float32([[1, 2, 0]]),
    }
    for name, value in values.items():
        response.outputs.add(name=name, datatype="FP32", shape=value.shape)
        response.raw_output_contents.append(value.tobytes())

    told = read_answer(response.SerializeToString(), MODEL, "tensor", (100, 80))

    dog, cat = told.found
    assert (dog.label, dog.score, dog.box) == ("dog", 0.75, pytest.approx((10, 10, 30, 30)))
    assert (cat.label, cat.box) == ("cat", (0, 0, 100, 80))


def test_a_picture_goes_as_one_encoded_file() -> None:
    sent = pb.ModelInferRequest.FromString(payload(b"jpeg", "tensor"))

    assert sent.raw_input_contents[0] == b"\4\0\0\0jpeg"
    assert payload(b"jpeg", "bbox") == b"jpeg"


def test_a_polygon_stands_for_the_rectangle_before_it() -> None:
    regions = [
        {"region_attributes": {"label": "dog", "score": 0.9}, "shape_attributes": shape}
        for shape in (
            {"name": "rect", "x": 10, "y": 10, "width": 30, "height": 30},
            {"name": "polygon", "all_points_x": [10, 40, 40], "all_points_y": [10, 10, 40]},
            {"name": "rect", "x": 60, "y": 10, "width": 30, "height": 30},
        )
    ]

    told = read_answer(msgspec.json.encode({"regions": regions}), MODEL, "polygon", (100, 80))

    assert [bool(thing.points) for thing in told.found] == [True, False]


def test_a_report_has_what_a_release_can_demand() -> None:
    report = judged(a_set({"a": [truth("dog", DOG)]}), {"a": Answered((Found("dog", 0.9, DOG),))})

    kept = for_registry(report, made_at_ms=1, actor="ann")

    assert demandable(report)["mAP"] == demandable(report)["AP[dog]"] == pytest.approx(1.0)
    assert (kept.kind, kept.set_name, kept.model_key) == ("evaluation", "pets", "acme-pets-1")
    assert b'"precision":[]' in kept.document


def test_the_page_needs_no_network_and_escapes_what_people_wrote() -> None:
    labelled = a_set({"<b>.jpg": [truth("dog", DOG), truth("<i>", CAT)]}, labels=("dog", "<i>"), name="<script>")
    report = judged(labelled, {"<b>.jpg": Answered((Found("dog", 0.9, CAT),))})

    html = page.render(report)

    assert "<script" not in html and "<b>.jpg" not in html
    assert "&lt;script&gt;" in html and "&lt;i&gt; (1)" in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


def test_pictures_without_an_answer_are_named_and_count_as_empty() -> None:
    labelled = a_set({"a": [truth("dog", DOG)], "b": [truth("dog", DOG)]})
    answers = {"a": Answered((Found("dog", 0.9, DOG),)), "b": Answered(problem="422 it is broken")}

    report = judged(labelled, answers)

    assert report.failed == {"b": "422 it is broken"}
    assert report.figures["mAP"] == pytest.approx(0.505, abs=0.001)
    assert [picture.name for picture in report.worst] == ["b"]


def test_lanes_and_classes_have_pages_too() -> None:
    lanes = Picture("road", Path("road"), 200, 100, lanes=STRAIGHT)
    shown = Picture("pet", Path("pet"), 9, 9, classes=("cat",))
    found = Answered((Found("lane", 1.0, (50, 0, 1, 90), tuple(line(50.0))),))

    road = judged(LabelledSet("roads", "tusimple", ("dog",), (lanes,)), {"road": found}, task="lane")
    pet = judged(
        LabelledSet("pets", "csv", ("cat",), (shown,)), {"pet": Answered(classes=(("dog", 1.0),))}, task="classify"
    )

    assert road.figures["lane_accuracy"] == 1.0
    assert pet.figures["top_1"] == 0.0
    assert "lane accuracy" in page.render(road)
    assert "first guess right" in page.render(pet)
