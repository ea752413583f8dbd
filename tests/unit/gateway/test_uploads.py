"""Names and numbers of uploaded images."""

from __future__ import annotations

import pytest

from services.gateway.uploads import Upload, free_key, safe_name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("street.jpg", "street.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.png", "cat.png"),
        ("/", "image"),
        ("..", "image"),
        ("a\0b\r\n.jpg", "ab.jpg"),
        ("\ud800.jpg", ".jpg"),
        ("x" * 300, "x" * 255),
        ("", "image"),
    ],
)
def test_a_file_name_keeps_its_last_component_only(sent: str, kept: str) -> None:
    assert safe_name(sent) == kept


def test_a_second_image_of_one_name_gets_a_suffix_that_is_free() -> None:
    taken: dict[str, Upload] = {}
    for name in ("a.jpg", "a.jpg", "a-2.jpg", "a.jpg", "image", "image", ".png", ".png"):
        key = free_key(name, taken)
        taken[key] = Upload(key, name, memoryview(b""))

    assert list(taken) == ["a.jpg", "a-2.jpg", "a-2-2.jpg", "a-3.jpg", "image", "image-2", ".png", ".png-2"]
