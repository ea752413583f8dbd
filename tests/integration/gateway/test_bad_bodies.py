"""What arrives badly: slow, too large, cut off, in thousands of pieces. A gateway over fakes, as a real process."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.parts import Server, free_port, wait_until

CONFIG = "python:tests.integration.gateway.fake_gunicorn_conf"
PATH = b"/api/vision/v3/predict/bbox"
PART = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.gif"\r\n\r\n'
GOOD = PART + b"GIF89a\5\0\5\0" + b"\r\n--b--\r\n"


class Gateway:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "gunicorn", "-c", CONFIG]
        env = {
            "SERVOIR_GATEWAY_ADDRESS": f"127.0.0.1:{self.port}",
            "SERVOIR_GATEWAY_WORKERS": "1",
            "SERVOIR_UPLOAD_TIMEOUT_S": "1",
        }
        self.server = Server(command, self._answers, folder / "gateway.log", env)

    def _answers(self) -> bool:
        try:
            return b" 200 " in self.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[:15]
        except OSError:
            return False

    def send(self, request: bytes, *, then: bytes = b"") -> bytes:
        """Send *request* and return what comes back until the connection ends or has one answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            if then:
                connection.sendall(then)
            return _answer(connection)

    def post(self, body: bytes, *headers: bytes, length: int | None = None) -> tuple[int, dict[str, object]]:
        size = len(body) if length is None else length
        lines = [b"POST " + PATH + b" HTTP/1.1", b"Host: x", b"Content-Type: multipart/form-data; boundary=b"]
        lines += [b"Connection: close"]
        return told(self.send(b"\r\n".join([*lines, b"Content-Length: %d" % size, *headers]) + b"\r\n\r\n" + body))

    def resident_bytes(self) -> int:
        [worker] = psutil.Process(self.server.process.pid).children()
        return int(worker.memory_info().rss)


def _answer(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
        head, blank, body = data.partition(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if blank and lengths and len(body) >= int(lengths[0]):
            break
    return data


def told(answer: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("gateway"))
    yield made
    made.server.stop()


def test_a_good_body_is_answered(gateway: Gateway) -> None:
    assert gateway.post(GOOD)[0] == 200


def test_a_body_over_the_limit_is_refused_before_it_arrives(gateway: Gateway) -> None:
    status, problem = gateway.post(GOOD, length=10**12)

    assert status == 413
    assert "limit" in str(problem["detail"])


def test_a_body_of_unknown_length_is_refused_while_it_arrives(gateway: Gateway) -> None:
    head = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head + chunk * 21)  # and never the end of it
        assert told(_answer(connection))[0] == 413


def test_a_chunked_body_within_the_limit_is_answered(gateway: Gateway) -> None:
    head = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    chunked = b"%x\r\n" % len(GOOD) + GOOD + b"\r\n0\r\n\r\n"

    assert told(gateway.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked))[0] == 200


def test_a_chunked_change_is_read(gateway: Gateway) -> None:
    head = b"POST /api/vision/v3/models/acme-coco_things-1/release HTTP/1.1\r\nHost: x\r\n"
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

    taken = told(gateway.send(head + b"2\r\n{}\r\n0\r\n\r\n"))
    refused = told(gateway.send(head + b'd\r\n{"demand": 1}\r\n0\r\n\r\n'))

    assert (taken[0], refused[0]) == (200, 400)


def test_a_body_that_never_arrives_whole_times_out(gateway: Gateway) -> None:
    status, problem = gateway.post(GOOD[:-10], length=len(GOOD))

    assert status == 408
    assert problem["status"] == 408


def test_a_body_that_ends_before_its_length_is_a_bad_request(gateway: Gateway) -> None:
    lines = [b"POST " + PATH + b" HTTP/1.1", b"Host: x", b"Content-Type: multipart/form-data; boundary=b"]
    head = b"\r\n".join([*lines, b"Content-Length: 1000", b"", b""])
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head + GOOD)
        connection.shutdown(socket.SHUT_WR)
        assert told(_answer(connection))[0] == 400


def test_a_request_that_lay_unread_for_longer_than_its_deadline_is_too_late(gateway: Gateway) -> None:
    def within(timeout_s: bytes) -> bytes:
        head = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        return head + b"X-Request-Timeout-S: %b\r\nContent-Length: %d\r\n\r\n" % (timeout_s, len(GOOD)) + GOOD

    [worker] = psutil.Process(gateway.server.process.pid).children()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        worker.suspend()
        try:
            connection.sendall(within(b"0.5"))
            time.sleep(1)
        finally:
            worker.resume()
        assert told(_answer(connection))[0] == 504
        connection.sendall(within(b"20"))
        assert told(_answer(connection))[0] == 200


def test_a_length_that_is_too_short_cuts_the_body(gateway: Gateway) -> None:
    assert gateway.post(GOOD, length=len(GOOD) - 20)[0] == 400


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"12, 13", b"0x10"])
def test_a_length_that_is_no_number_is_a_bad_request(gateway: Gateway, length: bytes) -> None:
    head = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n"

    status, problem = told(gateway.send(head + GOOD))
    assert (status, problem["status"]) == (400, 400)


def test_too_many_headers_are_refused(gateway: Gateway) -> None:
    flood = b"".join(b"X-%d: y\r\n" % number for number in range(200))

    status, problem = told(gateway.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + flood + b"\r\n"))
    assert (status, problem["title"]) == (431, "Request Header Fields Too Large")


@pytest.mark.parametrize(
    "request_", [b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /health/live HTTP/1.1\r\n: x\r\n\r\n",
                 b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: sideways\r\n\r\n"]
)  # fmt: skip
def test_what_is_no_http_is_told_as_a_problem_that_repeats_nothing(gateway: Gateway, request_: bytes) -> None:
    answer = gateway.send(request_)

    assert told(answer)[0] in (400, 501)
    assert b"application/problem+json" in answer
    assert b"hello" not in answer
    assert b"sideways" not in answer


@pytest.mark.parametrize(
    "chunks", [b"zz\r\nabc\r\n0\r\n\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"5;\x00\r\nabcde\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("path", [PATH, b"/api/vision/v3/models"])
def test_malformed_chunks_are_a_bad_request(gateway: Gateway, path: bytes, chunks: bytes) -> None:
    kind = b"multipart/form-data; boundary=b" if path == PATH else b"application/json"
    head = (
        b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: " + kind + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    assert told(gateway.send(head + chunks))[0] == 400


def test_a_gzip_bomb_is_not_opened(gateway: Gateway) -> None:
    assert gateway.post(b"\x1f\x8b\x08" + bytes(1000), b"Content-Encoding: gzip")[0] == 415


def test_bad_bodies_cost_little_memory(gateway: Gateway) -> None:
    gateway.post(GOOD)
    before = gateway.resident_bytes()
    for _ in range(3):
        gateway.post(PART * 100_000)
        gateway.post(b"--b\r\n" * 1_000_000)
        gateway.post(PART + os.urandom(10 * 2**20))
        gateway.post((PART + b"x\r\n") * 64 + b"--b--")

    assert gateway.resident_bytes() - before < 50 * 2**20


def test_the_process_still_serves_after_all_of_this(gateway: Gateway) -> None:
    wait_until(lambda: gateway.post(GOOD)[0] == 200)
    assert "traceback" not in gateway.server.log.read_text().lower()


@pytest.mark.parametrize(
    "request_line", [b"POST " + PATH, b"POST /api/vision/v3/jobs", b"PUT /api/vision/v3/uploads/a/files/b"]
)
def test_bodies_of_those_without_a_key_cost_none(gateway: Gateway, request_line: bytes) -> None:
    head = request_line + b" HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: %d\r\n\r\n"
    before = gateway.resident_bytes()
    with ExitStack() as held:
        for _ in range(10):
            connection = held.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=20))
            connection.sendall(head % (15 * 2**20))
            assert told(_answer(connection))[0] == 401
            with suppress(OSError):  # it hangs up in the middle of it
                connection.sendall(bytes(15 * 2**20 - 1))

        assert gateway.resident_bytes() - before < 50 * 2**20
