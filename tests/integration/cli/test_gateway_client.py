"""What the command makes of each answer, from a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.errors import Exit, Stop
from cli.gateway import Gateway
from tests.parts import free_port


class _Suite(ThreadingHTTPServer):
    """Answers every request with ``status`` and ``document``, and keeps what it was sent."""

    status, document = 200, "{}"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []


class _Answering(BaseHTTPRequestHandler):
    server: _Suite

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.document.encode())

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Suite]:
    with _Suite() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def gateway(server: _Suite) -> Gateway:
    return Gateway(f"http://127.0.0.1:{server.server_port}", admin_token="secret")


@pytest.mark.parametrize(
    ("tokens", "changing", "asking"),
    [
        ({"admin_token": "secret"}, "Bearer secret", "Bearer secret"),
        ({"api_key": "mine"}, "Bearer mine", "Bearer mine"),
        ({"admin_token": "secret", "api_key": "mine"}, "Bearer secret", "Bearer mine"),
        ({}, None, None),
    ],
)
def test_a_change_carries_the_admin_token_and_a_question_the_api_key(
    server: _Suite, tokens: dict[str, str], changing: str | None, asking: str | None
) -> None:
    gateway = Gateway(f"http://127.0.0.1:{server.server_port}", **tokens)
    gateway.publish({"org_name": "acme"})
    gateway.models()

    (method, path, headers, body), (_, _, asked, _) = server.seen
    assert (method, path) == ("POST", "/api/vision/v3/models")
    assert (headers.get("Authorization"), json.loads(body)) == (changing, {"org_name": "acme"})
    assert asked.get("Authorization") == asking


def test_keys_are_made_listed_rotated_and_revoked(server: _Suite, gateway: Gateway) -> None:
    server.document = '{"keys": [{"id": "a"}], "key": {"id": "a"}, "token": "sv_a_b"}'

    assert gateway.create_key({"client_id": "ann"})["token"] == "sv_a_b"
    assert gateway.keys("ann") == [{"id": "a"}]
    gateway.rotate_key("a", 60)
    gateway.revoke_key("a")

    assert [(method, path.removeprefix("/api/vision/v3"), body) for method, path, _, body in server.seen] == [
        ("POST", "/keys", b'{"client_id":"ann"}'),
        ("GET", "/keys?client=ann", b""),
        ("POST", "/keys/a/rotate", b'{"grace_s":60}'),
        ("DELETE", "/keys/a", b"{}"),
    ]


def test_pictures_are_posted_with_the_key_and_the_deadline(server: _Suite, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"first")
    (tmp_path / "b.jpg").write_bytes(b"second")

    gateway.predict([tmp_path / "a.jpg", tmp_path / "b.jpg"], task="lane", key="a-b-1", timeout_s=2.5)

    ((_, path, headers, body),) = server.seen
    assert path == "/api/vision/v3/predict/lane"
    assert headers["X-Request-Timeout-S"] == "2.5"
    assert body.count(b'name="image"') == 2 and b"first" in body and b'name="q"' in body


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (404, Exit.REFUSED, "servoir models"),
        (401, Exit.REFUSED, "SERVOIR_ADMIN_TOKEN"),
        (409, Exit.REFUSED, "another release"),
        (503, Exit.AWAY, "servoir status"),
    ],
)
def test_a_problem_becomes_its_text_and_what_to_do(
    server: _Suite, gateway: Gateway, status: int, code: Exit, advice: str
) -> None:
    server.status, server.document = status, json.dumps({"detail": "no such thing", "request_id": "r1"})

    with pytest.raises(Stop, match=rf"{status}: no such thing \(request r1\)") as stop:
        gateway.release("a-b-1")

    assert stop.value.code == code and advice in stop.value.advice


def test_an_answer_that_is_no_problem_document_is_told_by_its_status(server: _Suite, gateway: Gateway) -> None:
    server.status, server.document = 502, "<html>"

    with pytest.raises(Stop, match="/api/vision/v3/models answered 502"):
        gateway.models()


def test_a_gateway_that_is_down_tells_why(server: _Suite, gateway: Gateway) -> None:
    server.status, server.document = 503, '{"status": "down", "redis": "no Redis"}'

    assert gateway.readiness() == {"status": "down", "redis": "no Redis"}


def test_no_suite_at_the_address_is_an_error_that_names_it() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(Stop, match=f"no suite answers at {url}") as stop:
        Gateway(url).models()

    assert stop.value.code == Exit.AWAY and "servoir up" in stop.value.advice


def test_a_picture_that_cannot_be_read_is_named(gateway: Gateway, tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"cannot read .*none\.jpg"):
        gateway.predict([tmp_path / "none.jpg"], task="bbox")
