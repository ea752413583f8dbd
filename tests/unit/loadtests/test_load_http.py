"""The load generator's HTTP: what it sends is what others parse, and it reads answers however they arrive."""

from __future__ import annotations

from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.http import Answer, form, read_answer, upload

ANSWER = b'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 11\r\nX-Request-Id: r\r\n\r\n{"ok":true}'


def test_an_upload_is_a_multipart_body_of_the_length_that_it_says() -> None:
    sent = upload("h:1", "/p?q=a-b-1", form("a.jpg", b"\xff\xd8\r\n--x", copies=2), {"X-Request-Timeout-S": "1"})

    head, _, body = sent.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    told = dict(header.split(": ", 1) for header in headers)
    parsed = BytesParser().parsebytes(f"Content-Type: {told['Content-Type']}\r\n\r\n".encode() + body)
    parts = [part for part in parsed.walk() if not part.is_multipart()]
    assert line == "POST /p?q=a-b-1 HTTP/1.1"
    assert int(told["Content-Length"]) == len(body)
    assert told["X-Request-Timeout-S"] == "1"
    assert [part.get_filename() for part in parts] == ["a.jpg", "a.jpg"]
    assert b"\xff\xd8\r\n--x" in body


@given(st.integers(0, len(ANSWER) - 1))
def test_part_of_an_answer_is_none_yet(received: int) -> None:
    assert read_answer(ANSWER[:received]) is None


def test_a_whole_answer_has_its_status_and_body() -> None:
    assert read_answer(bytearray(ANSWER)) == Answer(200, b'{"ok":true}')
    assert read_answer(b"HTTP/1.1 429 Too Many\r\ncontent-length:0\r\n\r\n") == Answer(429, b"")


def test_a_header_whose_name_only_ends_like_the_length_is_not_it() -> None:
    answer = b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}"

    assert read_answer(answer) == Answer(200, b"{}")


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="no answer with a length"):
        read_answer(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{}")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"


def test_chunks_are_joined() -> None:
    assert read_answer(CHUNKED) == Answer(200, b"abc0123456789")


@given(st.integers(0, len(CHUNKED) - 1))
def test_part_of_the_chunks_is_no_answer_yet(received: int) -> None:
    assert read_answer(CHUNKED[:received]) is None


def test_an_answer_says_that_it_is_the_last_of_its_connection() -> None:
    closing = read_answer(b"HTTP/1.1 408 Late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    assert closing == Answer(408, b"", closes=True)
