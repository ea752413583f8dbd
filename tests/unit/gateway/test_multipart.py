"""Bodies of multipart/form-data cut into parts, and hostile ones refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import BadRequest, ServoirError, TooLarge
from services.gateway.multipart import boundary_of, parts_of
from tests.steps import steps


def part(name: str, content: bytes, filename: str | None = None, boundary: bytes = b"b") -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    header = f'Content-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return b"--" + boundary + b"\r\n" + header.encode() + content + b"\r\n"


def cut(body: bytes, boundary: bytes = b"b", most: int = 64) -> list[tuple[str, str | None, bytes]]:
    return [(p.name, p.filename, bytes(p.content)) for p in parts_of(body, boundary, max_parts=most)]


def test_parts_come_in_order_with_their_names_and_bytes() -> None:
    body = part("q", b"acme-coco-1") + part("image", b"\r\n--\x00\xff", "a.jpg") + part("empty", b"") + b"--b--\r\n"

    assert cut(body) == [("q", None, b"acme-coco-1"), ("image", "a.jpg", b"\r\n--\x00\xff"), ("empty", None, b"")]


def test_a_preamble_and_an_epilogue_are_passed_over() -> None:
    assert cut(b"for old mail readers\r\n" + part("q", b"1") + b"--b--\r\nthe end") == [("q", None, b"1")]


def test_text_that_only_starts_like_the_boundary_is_content() -> None:
    assert cut(part("image", b"x\r\n--bb\r\ny", "n") + b"--b--") == [("image", "n", b"x\r\n--bb\r\ny")]


def test_text_that_starts_like_the_boundary_again_and_again_is_refused() -> None:
    some, many = (part("image", b"\r\n--bb" * lines, "n") + b"--b--" for lines in (200, 100_000))

    def refused() -> None:
        with pytest.raises(BadRequest, match="begin like the boundary"):
            cut(many)

    assert cut(some) == [("image", "n", b"\r\n--bb" * 200)]
    assert steps(refused) < 10_000


def test_an_empty_part_may_lack_the_line_break_before_its_delimiter() -> None:
    assert cut(b"--b\r\nContent-Disposition: form-data; name=q\r\n\r\n--b--") == [("q", None, b"")]


def test_a_file_name_may_be_any_text() -> None:
    body = '--b\r\ncontent-disposition: form-data; name=image; filename="straße \\"1\\".jpg"\r\n\r\nx\r\n--b--'

    assert cut(body.encode()) == [("image", 'straße "1".jpg', b"x")]


def test_a_body_without_parts_has_none() -> None:
    assert cut(b"--b--\r\n") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--b",
        b"--b\r\n",
        b"--bx\r\n\r\n\r\n--b--",
        part("image", b"cut short"),
        b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--",
        b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\nx\r\n--b--",
        b"--b\r\n\r\n--b--",
        b"--b junk\r\n\r\nx\r\n--b--",
    ],
)
def test_a_malformed_body_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        cut(body)


def test_parts_beyond_the_limit_are_too_many() -> None:
    with pytest.raises(TooLarge, match="more than 64 parts"):
        cut(part("a", b"1") * 5000 + b"--b--")


@pytest.mark.parametrize(
    "content_type",
    ["", "image/jpeg", "application/json", "multipart/form-data", "multipart/mixed; boundary=b",
     "multipart/form-data; boundary=é", "multipart/form-data; boundary=" + "b" * 201],
)  # fmt: skip
def test_other_content_types_are_a_bad_request(content_type: str) -> None:
    with pytest.raises(BadRequest):
        boundary_of(content_type)


def test_a_boundary_may_be_quoted() -> None:
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a b"') == b"a b"


@given(st.lists(st.tuples(st.sampled_from(["image", "q"]), st.binary(max_size=50)), max_size=5))
def test_what_is_put_together_comes_apart_again(fields: list[tuple[str, bytes]]) -> None:
    body = b"".join(part(name, content, boundary=b"boundary-7") for name, content in fields) + b"--boundary-7--\r\n"

    assert [(name, content) for name, _, content in cut(body, b"boundary-7")] == fields


@given(
    st.lists(st.sampled_from([b"--b", b"\r\n", b"--", b"Content-Disposition: form-data; name=a", b"\r\n\r\n", b"x"]))
)
def test_hostile_bodies_give_parts_or_an_error_of_ours(pieces: list[bytes]) -> None:
    try:
        assert all(isinstance(name, str) for name, _, _ in cut(b"".join(pieces)))
    except ServoirError as error:
        assert error.status in (400, 413)
