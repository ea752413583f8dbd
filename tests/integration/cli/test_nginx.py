"""The real nginx in front of a real server, configured as `servoir up` does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from embedded import Missing, nginx
from embedded.front_door import FrontDoor, Tls
from tests.parts import Server, absent, free_port, wait_until

MOST_BYTES = 100_000


class _Backend(BaseHTTPRequestHandler):
    """Answers with what it was sent: the request id and the number of bytes."""

    def do_POST(self) -> None:
        size = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        body = json.dumps({"request_id": self.headers["X-Request-Id"], "bytes": size, "filler": "x" * 3000}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Front(NamedTuple):
    url: str
    log: Path
    backend: ThreadingHTTPServer


@pytest.fixture
def front(tmp_path: Path) -> Iterator[_Front]:
    backend = ThreadingHTTPServer(("127.0.0.1", 0), _Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    port = free_port()
    door = FrontDoor(
        tmp_path / "nginx",
        http_address=f"127.0.0.1:{port}",
        gateways=(f"127.0.0.1:{backend.server_port}",),
        max_upload_bytes=MOST_BYTES,
    )
    configuration = nginx.write_door(door)
    try:
        command = nginx.command(configuration)
    except Missing as missing:
        absent(str(missing))
    url = f"http://127.0.0.1:{port}"
    server = Server(command, lambda: _answers(url), tmp_path / "nginx.log")
    yield _Front(url, tmp_path / "nginx.log", backend)
    server.stop()
    backend.server_close()


def _answers(url: str) -> bool:
    try:
        return httpx.post(url).status_code == 200
    except httpx.HTTPError:
        return False


def _logged(front: _Front, request_id: str) -> dict[str, object]:
    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in front.log.read_text().splitlines() if request_id in line]

    wait_until(lines, what="the access log has it")
    return lines()[0]


def test_its_configuration_is_found_right_by_nginx_itself(front: _Front, tmp_path: Path) -> None:
    assert nginx.fault(tmp_path / "nginx" / "nginx.conf") == ""


def test_the_door_is_written_again_as_it_was_told_by_who_does_not_know_that(tmp_path: Path) -> None:
    tls = Tls("0.0.0.0:8443", tmp_path / "chain.pem", tmp_path / "key.pem", public_port=8443)
    written = nginx.write_door(FrontDoor(tmp_path / "nginx", http_address="0.0.0.0:80", tls=tls))
    text = written.read_text()
    written.write_text("by templates of before")

    nginx.write_door_again(tmp_path / "nginx")

    assert written.read_text() == text and str(tls.certificate) in text


@pytest.mark.parametrize("told", [None, "{", '{"http_address": 80}'])
def test_what_nobody_can_tell_any_more_is_left_as_it_is(tmp_path: Path, told: str | None) -> None:
    (tmp_path / "nginx.conf").write_text("by code of before")
    if told is not None:
        (tmp_path / "door.json").write_text(told)

    nginx.write_door_again(tmp_path)

    assert (tmp_path / "nginx.conf").read_text() == "by code of before"


def test_the_callers_request_id_goes_through_and_into_the_log(front: _Front) -> None:
    answer = httpx.post(front.url + "/api", content=b"12345", headers={"X-Request-Id": "mine-1"}).json()

    assert (answer["request_id"], answer["bytes"]) == ("mine-1", 5)
    line = _logged(front, "mine-1")
    assert (line["service"], line["event"], line["status"], line["path"]) == ("nginx", "http_answered", 200, "/api")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", str(line["time"]))


@pytest.mark.parametrize("given", [None, "", "no good id", "x" * 65, 'a"b'])
def test_a_request_without_a_good_id_gets_one(front: _Front, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given}

    made = httpx.post(front.url, headers=headers).json()["request_id"]

    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert _logged(front, made)["request_id"] == made


def test_a_body_over_the_limit_is_refused_with_a_problem_document(front: _Front) -> None:
    answer = httpx.post(front.url, content=bytes(MOST_BYTES + 1), headers={"X-Request-Id": "large-1"})

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 413 and problem["request_id"] == "large-1" and problem["error"] == problem["detail"]
    assert httpx.post(front.url, content=bytes(MOST_BYTES)).status_code == 200


def test_without_a_gateway_the_answer_is_503_with_retry_after(front: _Front) -> None:
    front.backend.shutdown()
    front.backend.server_close()

    answer = httpx.post(front.url)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 503


def test_json_is_sent_compressed_to_who_takes_that(front: _Front) -> None:
    assert httpx.post(front.url).headers.get("content-encoding") == "gzip"
    assert "content-encoding" not in httpx.post(front.url, headers={"Accept-Encoding": "identity"}).headers
