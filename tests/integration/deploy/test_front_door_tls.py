"""The front door over TLS: modern protocols only, HTTP/2, and plain HTTP sent on."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.integration.deploy.backends import Backend
from tests.integration.deploy.doors import Door, raw, tls


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend(1)
    yield made
    made.stop()


@pytest.fixture
def door(tmp_path: Path, backend: Backend) -> Iterator[Door]:
    made = Door(tmp_path, backend.address, tls=tls(tmp_path))
    yield made
    made.stop()


def secure(door: Door) -> str:
    assert door.door.tls
    return f"https://localhost:{door.door.tls.public_port}"


def trusting(door: Door) -> ssl.SSLContext:
    assert door.door.tls
    return ssl.create_default_context(cafile=str(door.door.tls.certificate))


def handshake(door: Door, context: ssl.SSLContext) -> ssl.SSLSocket:
    assert door.door.tls
    plain = socket.create_connection(("localhost", door.door.tls.public_port))
    return context.wrap_socket(plain, server_hostname="localhost")


def test_https_answers_and_tells_browsers_to_stay(door: Door, backend: Backend) -> None:
    with httpx.Client(verify=trusting(door)) as client:
        answer = client.post(secure(door) + "/a", content=b"12345")
        refused = client.get(secure(door) + "/metrics")

    assert answer.json()["bytes"] == 5
    assert backend.got[-1].headers["X-Forwarded-Proto"] == "https"
    assert refused.status_code == 404 and "max-age" in refused.headers["strict-transport-security"]


def test_plain_http_is_sent_on_and_never_answered(door: Door, backend: Backend) -> None:
    answer = httpx.post(f"{door.url}/api/x?q=acme-coco-1".replace("127.0.0.1", "localhost"), content=b"secret")

    assert answer.status_code == 308
    assert answer.headers["location"] == f"{secure(door)}/api/x?q=acme-coco-1"
    assert backend.got == []


def test_what_is_no_good_http_is_told_as_a_problem_at_both_ports(door: Door, backend: Backend) -> None:
    assert door.door.tls
    plain = raw(door.address, b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n")
    without_tls = raw(door.door.tls.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    for answer in (plain, without_tls):
        assert (answer.status, answer.getheader("content-type")) == (400, "application/problem+json")


def test_a_large_body_is_sent_on_too(door: Door, backend: Backend) -> None:
    answer = raw(door.address, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")

    assert answer.status == 308


def test_http_2_is_offered(door: Door) -> None:
    context = trusting(door)
    context.set_alpn_protocols(["h2", "http/1.1"])

    with handshake(door, context) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_protocols_are_refused(door: Door) -> None:
    context = trusting(door)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(door, context)


def test_tls_1_2_has_forward_secrecy_only(door: Door) -> None:
    context = trusting(door)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with handshake(door, context) as connection:
        cipher = connection.cipher()
        assert cipher and cipher[0].startswith("ECDHE-")

    context.set_ciphers("AES128-SHA:AES256-GCM-SHA384")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(door, context)


def test_an_older_nginx_gets_the_directives_that_it_knows(door: Door) -> None:
    text = replace(door.door, nginx_version=(1, 22, 1)).text()

    assert "ssl http2;" in text and "http2 on" not in text and "keepalive_min_timeout" not in text
