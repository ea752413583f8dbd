"""Labelled sets as people have them, and what is said of those that are wrong."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from chassis.errors import BadRequest
from services.jobs.evaluation.readers import read_set
from tests.unit.jobs.evaluation_sets import SIZE, annotation, coco, write_json, write_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_picture(tmp_path / "a.jpg")
    return tmp_path


def test_coco_gives_boxes_polygons_masks_and_crowds(folder: Path) -> None:
    polygon = [10, 20, 40, 20, 40, 60]
    mask = {"counts": [0, 8000], "size": [80, 100]}
    annotations = [
        annotation(segmentation=[polygon], area=450.5),
        annotation(id=2, segmentation=mask, iscrowd=1, category_id=9),
    ]

    read = read_set(write_json(folder / "set.json", coco(annotations=annotations)))

    [picture] = read.pictures
    dog, crowd = picture.truths
    assert (read.format, read.labels, read.objects) == ("coco", ("dog", "cat"), 1)
    assert (dog.label, dog.box, dog.area, dog.polygons) == ("dog", (10, 20, 30, 40), 450.5, (tuple(polygon),))
    assert (crowd.label, crowd.crowd, crowd.rle) == ("cat", True, mask)
    assert (picture.width, picture.height) == SIZE


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (annotation(category_id=77), "annotation 1: of a category 77 that is not listed"),
        (annotation(image_id=77), "annotation 1: of an image 77 that is not listed"),
        (annotation(bbox=[10, 20, 0, 40]), "annotation 1: a box without area"),
        (annotation(bbox=[90, 20, 30, 40]), "annotation 1: a box outside the picture"),
        (annotation(bbox=["x", 20, 30, 40]), "annotation 1: its bbox or segmentation is not made of numbers"),
        (annotation(segmentation=[[1, 2, 3]]), "annotation 1: a polygon of fewer than three points"),
        ({"id": 1, "bbox": [1, 2, 3, 4]}, "annotation 0: without image_id and category_id"),
    ],
)
def test_a_bad_annotation_of_coco_is_named(folder: Path, bad: dict[str, object], told: str) -> None:
    source = write_json(folder / "set.json", coco(annotations=[bad]))

    with pytest.raises(BadRequest) as raised:
        read_set(source)

    assert told in raised.value.detail


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    images = [*coco()["images"], {"id": 8, "file_name": "gone.jpg"}]
    bad = coco(images=images, annotations=[annotation(category_id=5), annotation(id=2, image_id=6)])

    with pytest.raises(BadRequest) as raised:
        read_set(write_json(folder / "set.json", bad))

    assert all(text in raised.value.detail for text in ("category 5", "image 6", "gone.jpg: no such picture"))


def test_a_picture_of_another_size_than_the_annotations_say_is_named(folder: Path) -> None:
    write_picture(folder / "a.jpg", (50, 40))

    with pytest.raises(BadRequest, match=r"a\.jpg: is 50x40, the annotations say 100x80"):
        read_set(write_json(folder / "set.json", coco()))


def test_a_turned_picture_has_the_size_that_people_see(folder: Path) -> None:
    write_picture(folder / "a.jpg", (80, 100), orientation=6)

    [picture] = read_set(write_json(folder / "set.json", coco())).pictures

    assert (picture.width, picture.height) == (100, 80)


def huge_png() -> bytes:
    """Return a picture that says of itself that it has 400 million pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (head, b"IDAT")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("content", [b"no picture", b"", huge_png()])
def test_a_file_that_is_no_picture_is_named_whatever_the_format(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pets" / "dog").mkdir(parents=True)
    (tmp_path / "pets" / "dog" / "bad.png").write_bytes(content)
    (tmp_path / "pets" / "classes.txt").write_text("dog\n")
    images = [{"id": 7, "file_name": "dog/bad.png"}]

    for source, called in (
        (tmp_path / "pets", "folders"),
        (tmp_path / "pets", "yolo"),
        (write_json(tmp_path / "pets" / "set.json", coco(images=images)), "coco"),
    ):
        with pytest.raises(BadRequest, match=r"bad\.png: cannot be read as a picture"):
            read_set(source, format=called)


@pytest.mark.parametrize("content", [b'{"images": "\xff"}', b"[" * 100_000, b'{"h_samples": "\xff"}', b"\xff"])
def test_a_file_that_is_no_json_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.json").write_bytes(content)

    with pytest.raises(BadRequest, match=r"set\.json is not JSON|line 1: "):
        read_set(tmp_path / "set.json")


def test_via_gives_rectangles_polygons_and_circles(folder: Path) -> None:
    def region(label: str, **shape: object) -> dict[str, object]:
        return {"region_attributes": {"label": label}, "shape_attributes": shape}

    regions = [
        region("dog", name="rect", x=1, y=2, width=30, height=40),
        region("cat", name="polygon", all_points_x=[50, 90, 90], all_points_y=[10, 10, 50]),
        region("ball", name="circle", cx=50, cy=40, r=10),
    ]
    document = {"a.jpg123": {"filename": "a.jpg", "size": 123, "regions": regions, "file_attributes": {}}}

    read = read_set(write_json(folder / "via.json", document))

    dog, cat, ball = read.pictures[0].truths
    assert (read.format, read.labels) == ("via", ("ball", "cat", "dog"))
    assert dog.box == (1, 2, 30, 40)
    assert (cat.box, cat.area) == ((50, 10, 40, 40), 800)
    assert ball.area == pytest.approx(314, rel=0.01)


def test_an_answer_of_ours_is_a_labelled_set_and_a_polygon_with_its_rectangle_is_one_thing(folder: Path) -> None:
    rect = {"name": "rect", "x": 10, "y": 10, "width": 40, "height": 30}
    polygon = {"name": "polygon", "all_points_x": [10, 50, 50, 10], "all_points_y": [10, 10, 40, 40]}
    regions = [{"region_attributes": {"label": "dog"}, "shape_attributes": shape} for shape in (rect, polygon)]
    document = {"result": {"a.jpg": {"filename": "a.jpg", "regions": regions}}, "status_code": 200}

    [thing] = read_set(write_json(folder / "via.json", document)).pictures[0].truths

    assert thing.polygons


def test_a_region_without_a_label_is_named(folder: Path) -> None:
    region = {"region_attributes": {}, "shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 9, "height": 9}}
    document = {"a.jpg": {"filename": "a.jpg", "regions": [region]}}

    with pytest.raises(BadRequest, match=r"a\.jpg region 0: no label"):
        read_set(write_json(folder / "via.json", document))


VOC = """<annotation><filename>a.jpg</filename><object><name>dog</name><difficult>{difficult}</difficult>
<bndbox><xmin>{xmin}</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object></annotation>"""


def test_voc_counts_pixels_from_one_and_what_is_difficult_does_not_count(folder: Path) -> None:
    (folder / "a.xml").write_text(VOC.format(xmin=11, difficult=0))
    easy = read_set(folder)
    (folder / "a.xml").write_text(VOC.format(xmin=11, difficult=1))
    difficult = read_set(folder)

    assert easy.pictures[0].truths[0].box == (10, 20, 30, 40)
    assert (easy.format, easy.objects, difficult.objects) == ("voc", 1, 0)


def test_pictures_of_voc_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name, xmin in (("street", 11), ("yard", 15)):
        write_picture(tmp_path / name / "a.jpg")
        text = VOC.format(xmin=xmin, difficult=0).replace("a.jpg", f"{name}/a.jpg")
        (tmp_path / f"{name}.xml").write_text(text)

    pictures = read_set(tmp_path).pictures

    assert {picture.name: picture.truths[0].box[0] for picture in pictures} == {"street/a.jpg": 10, "yard/a.jpg": 14}
    assert {picture.name: picture.file for picture in pictures}["yard/a.jpg"] == tmp_path / "yard" / "a.jpg"


def test_a_bad_file_of_voc_is_named(folder: Path) -> None:
    (folder / "a.xml").write_text(VOC.format(xmin="left", difficult=0))
    (folder / "b.xml").write_text("<annotation>")

    with pytest.raises(BadRequest) as raised:
        read_set(folder)

    assert "a.xml object 0: its bndbox is not made of four numbers" in raised.value.detail
    assert "b.xml: not XML" in raised.value.detail


def test_xml_that_defines_entities_is_not_read(folder: Path) -> None:
    (folder / "a.xml").write_text('<!DOCTYPE a [<!ENTITY x "xx">]><annotation>&x;</annotation>')

    with pytest.raises(BadRequest, match="no document type"):
        read_set(folder, format="voc")


def test_yolo_gives_boxes_and_polygons_and_pictures_with_nothing(folder: Path) -> None:
    write_picture(folder / "images" / "empty.png")
    (folder / "data.yaml").write_text("names: {0: dog, 1: cat}")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("1 0.25 0.5 0.3 0.5\n0 0 0 0.5 0 0.5 0.5\n")

    read = read_set(folder)

    by_name = {picture.name: picture.truths for picture in read.pictures}
    cat, dog = by_name["a.jpg"]
    assert (read.format, read.labels) == ("yolo", ("dog", "cat"))
    assert cat.box == pytest.approx((10, 20, 30, 40))
    assert (dog.label, dog.area) == ("dog", 1000)
    assert by_name["images/empty.png"] == ()


BOXES = {"left": "0 0.2 0.5 0.2 0.2", "right": "0 0.8 0.5 0.2 0.2"}


def yolo(folder: Path, pictures: list[str], labels: dict[str, str]) -> Path:
    """Write a set: *labels* say for each of their files where the one dog in its picture is."""
    for name in pictures:
        write_picture(folder / name)
    for name, where in labels.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(BOXES[where])
    (folder / "classes.txt").write_text("dog\n")
    return folder


def dogs(folder: Path, **how: Path) -> dict[str, str]:
    """Return where the dog is in each picture of a set, by the picture's name."""
    lefts = {
        picture.name: [truth.box[0] for truth in picture.truths]
        for picture in read_set(folder, format="yolo", **how).pictures
    }
    return {name: "".join("left" if left < 50 else "right" for left in found) for name, found in lefts.items()}


@pytest.mark.parametrize(
    "labels",
    [
        {"labels/street/1.txt": "left", "labels/yard/1.txt": "right"},
        {"images/street/1.txt": "left", "images/yard/1.txt": "right"},
        {"street/labels/1.txt": "left", "yard/labels/1.txt": "right"},
    ],
)
def test_pictures_of_one_name_in_several_folders_have_each_its_own_labels(
    tmp_path: Path, labels: dict[str, str]
) -> None:
    folder = yolo(tmp_path, ["images/street/1.jpg", "images/yard/1.jpg", "images/park/1.jpg"], labels)

    assert dogs(folder) == {"images/street/1.jpg": "left", "images/yard/1.jpg": "right", "images/park/1.jpg": ""}


def test_labels_elsewhere_belong_to_the_one_picture_that_is_called_like_them(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "set", [], {"val/1.txt": "left", "val/2.txt": "right"})
    yolo(tmp_path / "pictures", ["a/1.jpg", "b/2.jpg", "b/3.jpg"], {})

    assert dogs(folder, pictures=tmp_path / "pictures") == {"a/1.jpg": "left", "b/2.jpg": "right", "b/3.jpg": ""}


@pytest.mark.parametrize(
    ("pictures", "labels", "told"),
    [
        (["a/1.jpg", "b/1.jpg"], ["labels/1.txt"], r"labels/1\.txt: may belong to any of a/1\.jpg, b/1\.jpg"),
        (["a/1.jpg"], ["x/1.txt", "y/1.txt"], r"a/1\.jpg: may belong to any of x/1\.txt, y/1\.txt"),
        (["a/1.jpg"], ["a/1.txt", "labels/a/1.txt"], r"a/1\.jpg: may belong to any of a/1\.txt, labels/a/1\.txt"),
        (["a/1.jpg", "b/1.jpg"], ["a/1.txt", "c/1.txt"], r"b/1\.jpg: may belong to any of a/1\.txt, c/1\.txt"),
    ],
)
def test_labels_that_may_be_of_several_pictures_are_named(
    tmp_path: Path, pictures: list[str], labels: list[str], told: str
) -> None:
    folder = yolo(tmp_path, pictures, dict.fromkeys(labels, "left"))

    with pytest.raises(BadRequest, match=told):
        read_set(folder, format="yolo")


def test_a_bad_line_of_yolo_is_named(folder: Path) -> None:
    (folder / "classes.txt").write_text("dog\n")
    (folder / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n4 0.5 0.5 0.2 0.2\n0 0.5 0.5\n")

    with pytest.raises(BadRequest) as raised:
        read_set(folder)

    assert "a.txt:2: class 4, but there are 1 names" in raised.value.detail
    assert "a.txt:3: 2 numbers behind the class" in raised.value.detail


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("classes.txt", "Fußgänger".encode("latin-1"), "classes.txt is not UTF-8: invalid continuation byte at byte 2"),
        ("data.yaml", b"names: [dog", "data.yaml is not YAML: "),
        ("data.yaml", b"[" * 5000, "data.yaml is not YAML: "),
        ("data.yaml", b"- dog", "data.yaml: `names` has to be a list of names, or a table of all numbers from 0 on"),
        ("data.yaml", b"names: {1: dog}", "data.yaml: `names` has to be a list of names, or a table"),
        ("data.yaml", b"a: &a [x, x]\nb: &b [*a, *a]\nnames: [*b, *b]", "data.yaml: `names` has to be a list of names"),
    ],
)
def test_names_of_classes_that_cannot_be_read_are_named(folder: Path, name: str, content: bytes, told: str) -> None:
    (folder / name).write_bytes(content)
    (folder / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    with pytest.raises(BadRequest) as raised:
        read_set(folder, format="yolo")

    assert told in raised.value.detail


def test_names_are_of_the_numbers_that_they_are_given(folder: Path) -> None:
    (folder / "data.yaml").write_text("names: {1: cat, 0: dog}")
    (folder / "a.txt").write_text("1 0.5 0.5 0.2 0.2\n")

    read = read_set(folder, format="yolo")

    assert (read.labels, read.pictures[0].truths[0].label) == (("dog", "cat"), "cat")


def test_labels_of_yolo_that_are_no_text_are_named_with_all_else(folder: Path) -> None:
    write_picture(folder / "b.jpg")
    (folder / "classes.txt").write_text("dog\n")
    (folder / "a.txt").write_bytes(b"\xff\xfe0 0.5")
    (folder / "b.txt").write_text("7 0.5 0.5 0.2 0.2\n")

    with pytest.raises(BadRequest) as raised:
        read_set(folder)

    assert "a.txt: a.txt is not UTF-8" in raised.value.detail
    assert "b.txt:1: class 7" in raised.value.detail


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a.jpg,Fußgänger".encode("latin-1"), "set.csv is not UTF-8"),
        (b'a.jpg,"' + b"x" * 200_000, "set.csv is no table: field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(folder: Path, content: bytes, told: str) -> None:
    (folder / "set.csv").write_bytes(content)

    with pytest.raises(BadRequest) as raised:
        read_set(folder / "set.csv")

    assert told in raised.value.detail


def test_a_folder_for_each_class_and_a_table_of_classes(tmp_path: Path) -> None:
    for name in ("cat/a.jpg", "cat/b.jpg", "dog/c.jpg"):
        write_picture(tmp_path / "folders" / name)
    (tmp_path / "table.csv").write_text("filename,label\ncat/a.jpg,cat,pet\ndog/c.jpg,dog\n")

    folders = read_set(tmp_path / "folders")
    table = read_set(tmp_path / "table.csv", pictures=tmp_path / "folders")

    assert (folders.format, folders.labels) == ("folders", ("cat", "dog"))
    assert [picture.classes for picture in folders.pictures] == [("cat",), ("cat",), ("dog",)]
    assert (table.format, [picture.classes for picture in table.pictures]) == ("csv", [("cat", "pet"), ("dog",)])


def test_tusimple_gives_lanes(folder: Path) -> None:
    lines = [{"raw_file": "a.jpg", "lanes": [[-2, 50, 60]], "h_samples": [10, 20, 30]}]
    (folder / "labels.json").write_text("\n".join(map(json.dumps, lines)))

    read = read_set(folder / "labels.json")

    assert read.format == "tusimple"
    assert read.pictures[0].lanes is not None
    assert read.pictures[0].lanes.lanes == ((-2, 50, 60),)


def test_a_lane_of_another_length_than_its_rows_is_named(folder: Path) -> None:
    (folder / "labels.json").write_text('{"raw_file": "a.jpg", "lanes": [[1, 2]], "h_samples": [10, 20, 30]}')

    with pytest.raises(BadRequest, match="line 1: a lane has not as many numbers as h_samples"):
        read_set(folder / "labels.json")


@pytest.mark.parametrize("content", ["no json", "[1, 2]", '{"a": {"b": 1}}'])
def test_a_file_of_no_format_is_refused(folder: Path, content: str) -> None:
    (folder / "set.json").write_text(content)

    with pytest.raises(BadRequest, match=r"set\.json"):
        read_set(folder / "set.json")


def test_several_annotation_files_are_not_guessed_among(folder: Path) -> None:
    for name in ("train.json", "val.json"):
        write_json(folder / name, coco())

    with pytest.raises(BadRequest, match=r"several annotation files \(train.json, val.json\)"):
        read_set(folder)


def test_a_name_of_a_picture_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg")
    inside = tmp_path / "inside"
    inside.mkdir()
    document = coco(images=[{"id": 7, "file_name": "../a.jpg", "width": 100, "height": 80}])

    with pytest.raises(BadRequest, match="no such picture"):
        read_set(write_json(inside / "set.json", document))


def test_a_set_is_known_by_its_truth_and_its_pictures(folder: Path) -> None:
    source = write_json(folder / "set.json", coco())
    first, again = read_set(source), read_set(source)
    write_json(source, coco(annotations=[annotation(bbox=[10, 20, 30, 41])]))
    other_truth = read_set(source)
    write_json(source, coco())
    write_picture(folder / "a.jpg").write_bytes((folder / "a.jpg").read_bytes() + b" ")

    assert first.sha256 == again.sha256
    assert len({first.sha256, other_truth.sha256, read_set(source).sha256}) == 3
