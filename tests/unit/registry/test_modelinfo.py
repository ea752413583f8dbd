"""Modelinfo: every field checked, all faults said together, and the YAML file form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chassis.errors import BadRequest, NotFound
from services.registry.modelinfo import (
    ModelFile,
    Modelinfo,
    modelinfo_json,
    parse_modelinfo,
    read_modelinfo,
    resolve,
    understand_modelinfo,
    write_modelinfo,
)

SHA256 = "ab" * 32


def document(**fields: Any) -> dict[str, Any]:
    given = {
        "org_name": "acme",
        "problem_id": "coco_things",
        "rel_num": "1",
        "task": "bbox",
        "dnnarch": "ssd_mobilenet_v2",
        "framework_type": "tensorflow",
        "classes": ["BG", "person"],
        "config": {"score_threshold": 0.5, "size": [300, 300]},
        "files": [{"path": "saved_model/saved_model.pb", "bytes": 17, "sha256": SHA256}],
    } | fields
    return {name: value for name, value in given.items() if value is not ...}


def fault_of(**fields: Any) -> str:
    with pytest.raises(BadRequest) as raised:
        parse_modelinfo(document(**fields))
    return raised.value.detail


def models(*releases: tuple[str, str]) -> list[Modelinfo]:
    return [parse_modelinfo(document(rel_num=rel_num, status=status)) for rel_num, status in releases]


def test_a_good_document_is_read_whole() -> None:
    modelinfo = parse_modelinfo(document())
    assert modelinfo.key == "acme-coco_things-1"
    assert modelinfo.files == (ModelFile("saved_model/saved_model.pb", 17, SHA256),)
    assert modelinfo.status == "published"


def test_the_number_of_classes_is_counted_where_it_is_not_given() -> None:
    assert parse_modelinfo(document()).num_classes == 2


def test_json_and_back_is_the_same() -> None:
    modelinfo = parse_modelinfo(document())
    assert parse_modelinfo(modelinfo_json(modelinfo)) == modelinfo


def test_what_has_its_default_is_not_sent() -> None:
    sent = json.loads(modelinfo_json(parse_modelinfo(document(description="", num_classes=0, license="MIT"))))
    assert set(sent) == {*document(), "num_classes", "license"}


def test_a_newer_versions_fields_are_passed_over_in_what_a_registry_sends_or_keeps() -> None:
    file = {"path": "a", "bytes": 1, "sha256": SHA256}
    newer = document(colour="green", files=[file | {"url": "x"}], _id="acme-coco_things-1")
    assert understand_modelinfo(newer) == parse_modelinfo(document(files=[file]))


def test_a_bad_field_of_what_a_registry_sends_is_bad_all_the_same() -> None:
    with pytest.raises(BadRequest, match="files: "):
        understand_modelinfo(document(files=["a"], colour="green"))


def test_an_image_model_also_does_tensors() -> None:
    assert parse_modelinfo(document()).tasks == ("bbox", "tensor")
    assert parse_modelinfo(document(task="tensor")).tasks == ("tensor",)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("org_name", "ac-me"),
        ("org_name", ""),
        ("problem_id", "a/b"),
        ("problem_id", "x" * 65),
        ("rel_num", 1),
        ("rel_num", ".."),
        ("task", "segment"),
        ("dnnarch", "SSD"),
        ("framework_type", "../tf"),
        ("framework_type", ...),
        ("classes", "person"),
        ("classes", [1]),
        ("num_classes", 3),
        ("num_classes", -1),
        ("config", []),
        ("config", {"$where": 1}),
        ("config", {"size": 2**70}),
        ("files", [{"path": "/etc/passwd", "bytes": 1, "sha256": SHA256}]),
        ("files", [{"path": "a/../../b", "bytes": 1, "sha256": SHA256}]),
        ("files", [{"path": "a", "bytes": -1, "sha256": SHA256}]),
        ("files", [{"path": "a", "bytes": 1, "sha256": SHA256.upper()}]),
        ("files", [{"path": "a", "bytes": 1, "sha256": SHA256, "url": "x"}]),
        ("files", [{"path": "a", "bytes": 1, "sha256": SHA256}] * 2),
        ("memory_cap_bytes", -1),
        ("memory_cap_bytes", 2**63),
        ("max_batch_size", "8"),
        ("deadline_s", -0.1),
        ("deadline_s", float("nan")),
        ("metrics", {"a": {"": 1}}),
        ("status", "ready"),
        ("owner", "me"),
    ],
)
def test_a_bad_field_is_named(field: str, bad: Any) -> None:
    assert f"{field}: " in fault_of(**{field: bad})


def test_all_bad_fields_are_named_together() -> None:
    detail = fault_of(org_name="a-b", task="x", files=[{"path": "w", "bytes": 1, "sha256": "z"}], rel_num=..., foo=1)
    assert all(f"{name}: " in detail for name in ("org_name", "task", "files", "rel_num", "foo"))


def test_nesting_without_end_is_a_bad_field() -> None:
    deep: Any = 1
    for _ in range(50):
        deep = [deep]
    assert "config: nested deeper than 20" in fault_of(config={"a": deep})


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"7", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_a_bad_request(text: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_modelinfo(text)


def test_the_file_form_reads_back(tmp_path: Path) -> None:
    modelinfo = parse_modelinfo(document(description="Dinge, ö"))
    path = write_modelinfo(modelinfo, tmp_path)
    assert path.name == "acme-coco_things-1.yaml"
    assert read_modelinfo(path) == modelinfo


def test_text_in_a_file_stays_text_though_yaml_would_make_something_else_of_it(tmp_path: Path) -> None:
    plain = json.dumps(document(classes=...))[1:-1].replace('"rel_num": "1"', '"rel_num": 050224_120000')
    path = tmp_path / "acme-coco_things-050224_120000.yaml"
    path.write_text("{" + plain + ", classes: [no, 1, 2024-01-01], created_on: 2024-02-05}")
    modelinfo = read_modelinfo(path)
    assert modelinfo.rel_num == "050224_120000"
    assert modelinfo.classes == ("no", "1", "2024-01-01")
    assert modelinfo.created_on == "2024-02-05"


def test_a_file_that_is_named_otherwise_than_its_key_is_refused(tmp_path: Path) -> None:
    path = write_modelinfo(parse_modelinfo(document()), tmp_path).rename(tmp_path / "acme-coco_things-2.yaml")
    with pytest.raises(BadRequest, match="its key says acme-coco_things-1"):
        read_modelinfo(path)


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "!!python/object:os.system {}", "1: 2"])
def test_a_file_that_is_no_document_is_a_bad_request(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a-b-1.yaml"
    path.write_text(text)
    with pytest.raises(BadRequest, match="bad modelinfo"):
        read_modelinfo(path)


def test_a_key_without_release_is_the_newest_released_one() -> None:
    known = models(("9", "released"), ("10", "released"), ("11", "published"), ("12", "retired"))
    assert resolve(known, "acme-coco_things").rel_num == "10"


def test_a_full_key_finds_a_model_that_is_not_released() -> None:
    assert resolve(models(("11", "published")), "acme-coco_things-11").status == "published"


@pytest.mark.parametrize("key", ["acme-coco_things-2", "acme-other", "acme-coco_things"])
def test_an_unknown_key_is_not_found(key: str) -> None:
    with pytest.raises(NotFound):
        resolve(models(("1", "published")), key)


def test_a_modelinfo_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse_modelinfo(document()).task = "lane"  # type: ignore[misc]
    assert msgspec.structs.replace(parse_modelinfo(document()), status="released").status == "released"
