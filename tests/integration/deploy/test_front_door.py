"""What nginx does for a suite: tries again where that is safe, holds floods off, streams uploads, closes the door."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from embedded import nginx
from embedded.front_door import CONTAINERS, CONTAINERS_TLS, FrontDoor, containers
from services.gateway.settings import Settings
from tests.integration.deploy.backends import Backend
from tests.integration.deploy.doors import Door, certificate, raw
from tests.parts import free_port, wait_until

KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
def backends() -> Iterator[tuple[Backend, Backend]]:
    both = Backend(1), Backend(2)
    yield both
    for backend in both:
        backend.stop()


@pytest.fixture
def door(tmp_path: Path, backends: tuple[Backend, Backend]) -> Iterator[Door]:
    made = Door(tmp_path, *(backend.address for backend in backends))
    yield made
    made.stop()


def posts(backends: tuple[Backend, Backend]) -> list[int]:
    """Return how many POSTs each backend got."""
    return [sum(got.method == "POST" for got in backend.got) for backend in backends]


def test_a_request_goes_to_the_gateway_with_the_fewest(door: Door, backends: tuple[Backend, Backend]) -> None:
    first, second = backends
    first.gate.clear()
    second.gate.clear()
    with ThreadPoolExecutor(6) as clients:
        answers = [clients.submit(httpx.post, door.url, content=b"x", timeout=20) for _ in range(6)]
        wait_until(lambda: sum(posts(backends)) == 6, what="all are there")
        first.gate.set(), second.gate.set()

    assert posts(backends) == [3, 3]
    assert {answer.result().status_code for answer in answers} == {200}


def test_a_gateway_that_is_gone_costs_no_request(door: Door, backends: tuple[Backend, Backend]) -> None:
    backends[0].stop()
    assert httpx.get(door.url).status_code == 200  # the door has seen by now that its kept connections are closed

    answers = [httpx.post(door.url, content=b"x" * 200_000) for _ in range(12)]

    assert {(answer.status_code, answer.json()["backend"]) for answer in answers} == {(200, 2)}


def test_one_that_is_back_is_asked_at_once_when_there_is_no_other(
    door: Door, backends: tuple[Backend, Backend]
) -> None:
    first, second = backends
    first.stop()
    for _ in range(6):
        assert httpx.post(door.url, content=b"x").json()["backend"] == 2
    back = Backend(1, first.server_port)
    second.stop()

    answers = [httpx.post(door.url, content=b"x") for _ in range(6)]

    back.stop()
    assert {(answer.status_code, answer.json().get("backend")) for answer in answers} == {(200, 1)}


def test_one_that_is_back_is_reached_where_several_refuse(tmp_path: Path) -> None:
    first, *others = backends = [Backend(number) for number in (1, 2, 3, 4)]
    door = Door(tmp_path, *(backend.address for backend in backends))
    first.stop()
    for _ in range(16):
        assert httpx.post(door.url, content=b"x").status_code == 200
    back = Backend(1, first.server_port)
    for backend in others:
        backend.stop()

    answer = httpx.post(door.url, content=b"x")

    back.stop(), door.stop()
    assert (answer.status_code, answer.json().get("backend")) == (200, 1)


def test_what_a_gateway_may_have_accepted_is_not_sent_to_another(door: Door, backends: tuple[Backend, Backend]) -> None:
    backends[0].cuts = backends[1].cuts = True

    answer = httpx.post(door.url, content=b"x")

    assert answer.status_code == 503 and answer.headers["retry-after"] == "2"
    assert sum(posts(backends)) == 1


@pytest.mark.parametrize("size", [1, 300_000])
def test_with_an_idempotency_key_it_is_sent_to_another(
    door: Door, backends: tuple[Backend, Backend], size: int
) -> None:
    backends[0].cuts = True

    answers = [httpx.post(door.url, content=b"x" * size, headers=KEY) for _ in range(4)]

    assert {(answer.status_code, answer.json()["backend"]) for answer in answers} == {(200, 2)}
    assert {answer.json()["bytes"] for answer in answers} == {size}
    assert posts(backends)[0] >= 1


def test_a_question_is_asked_of_another(door: Door, backends: tuple[Backend, Backend]) -> None:
    backends[0].cuts = True

    assert {httpx.get(door.url).status_code for _ in range(4)} == {200}
    assert any(got.method == "GET" for got in backends[0].got)


def test_a_gateways_own_refusals_are_passed_on_as_they_are(door: Door, backends: tuple[Backend, Backend]) -> None:
    backends[0].refuses = backends[1].refuses = 503

    answer = httpx.post(door.url, content=b"x", headers=KEY)

    assert answer.status_code == 503 and "backend" in answer.json()
    assert sum(posts(backends)) == 1


def test_an_upload_reaches_the_gateway_while_it_is_sent(door: Door, backends: tuple[Backend, Backend]) -> None:
    connection = http.client.HTTPConnection(door.address)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "100000")
    connection.endheaders(b"x" * 10)

    begun = backends[0].begun, backends[1].begun
    wait_until(lambda: any(first.is_set() for first in begun), what="the first bytes are there")
    connection.send(b"x" * 99_990)

    assert json.loads(connection.getresponse().read())["bytes"] == 100_000


def test_a_path_and_its_query_go_through_as_they_came(door: Door, backends: tuple[Backend, Backend]) -> None:
    path = "/api/a%2Fb//c?q=acme-coco-1&x=%20"

    httpx.get(door.url + path)
    httpx.post(door.url + path, headers=KEY)

    assert [got.path for backend in backends for got in backend.got] == [path, path]


def test_maintenance_closes_the_door_without_a_reload(door: Door, backends: tuple[Backend, Backend]) -> None:
    closed = door.folder / "maintenance"
    closed.touch()

    answer = httpx.post(f"{door.url}/api/vision/v3/predict", content=b"x" * 50_000, headers={"X-Request-Id": "mine"})
    closed.unlink()

    assert answer.status_code == 503 and answer.headers["retry-after"] == "120"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Maintenance"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine"
    assert posts(backends) == [0, 0]
    assert httpx.post(door.url).status_code == 200


def test_a_reload_closes_no_connection_that_is_about_to_be_used(door: Door) -> None:
    connection = http.client.HTTPConnection(door.address)

    def ask() -> str | None:
        connection.request("POST", "/", b"x")
        answer = connection.getresponse()
        answer.read()
        return answer.getheader("connection")

    assert ask() == "keep-alive"
    old = door.workers()
    door.reload()

    wait_until(lambda: ask() == "close", what="the old worker says that it ends")
    wait_until(lambda: not door.workers() & old, what="the old worker has gone")


def test_a_flood_from_one_address_is_held_off(tmp_path: Path, backends: tuple[Backend, Backend]) -> None:
    door = Door(tmp_path, backends[0].address, unlimited=(), requests_per_s=10)
    try:
        with httpx.Client() as client:
            answers = [client.get(door.url) for _ in range(60)]
    finally:
        door.stop()

    refused = [answer for answer in answers if answer.status_code == 429]
    assert 0 < len(refused) < 60
    assert refused[0].headers["retry-after"] == "1" and refused[0].json()["title"] == "Too many requests"


def test_one_address_may_hold_so_many_connections(tmp_path: Path, backends: tuple[Backend, Backend]) -> None:
    door = Door(tmp_path, backends[0].address, unlimited=(), connections=3)
    backends[0].gate.clear()
    try:
        with ThreadPoolExecutor(3) as clients:
            held = [clients.submit(httpx.post, door.url, content=b"x", timeout=20) for _ in range(3)]
            wait_until(lambda: posts(backends)[0] == 3, what="they are held")
            refused = httpx.post(door.url, content=b"x")
            backends[0].gate.set()
    finally:
        door.stop()

    assert refused.status_code == 429
    assert {answer.result().status_code for answer in held} == {200}


def test_the_same_addresses_are_unlimited_where_they_are_named(
    tmp_path: Path, backends: tuple[Backend, Backend]
) -> None:
    door = Door(tmp_path, backends[0].address, unlimited=("10.0.0.0/8", "127.0.0.1/32"), requests_per_s=1)
    try:
        with httpx.Client() as client:
            assert {client.get(door.url).status_code for _ in range(30)} == {200}
    finally:
        door.stop()


def test_the_figures_are_not_for_clients(door: Door, backends: tuple[Backend, Backend]) -> None:
    for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/x/../metrics", "/metrics?a=b", "/./metrics"):
        raw = http.client.HTTPConnection(door.address)
        raw.request("GET", path)
        assert raw.getresponse().status == 404, path

    assert not any("metrics" in got.path for backend in backends for got in backend.got)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /refused HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"PUT /a.jpg HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ],
)
def test_what_nginx_itself_refuses_is_a_problem_too(door: Door, request_: bytes, status: int) -> None:
    answer = raw(door.address, request_)
    told = json.loads(answer.read())

    assert answer.status == told["status"] == status
    assert answer.getheader("content-type") == "application/problem+json"
    assert answer.getheader("x-request-id") == told["request_id"] != ""
    assert told["title"] and told["detail"] == told["error"] != ""


def test_pages_of_other_origins_may_read_why_nginx_refused_them(door: Door) -> None:
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"

    of_a_page = raw(door.address, head + b"Origin: https://page.example\r\n\r\n")
    of_no_page = raw(door.address, head + b"\r\n")

    assert (of_a_page.status, of_a_page.getheader("access-control-allow-origin")) == (413, "*")
    assert "X-Request-Id" in of_a_page.getheader("access-control-expose-headers", "")
    assert of_no_page.getheader("access-control-allow-origin") is None


def test_a_refusals_line_in_the_log_says_what_was_asked_for(door: Door) -> None:
    httpx.get(f"{door.url}/metrics/of?token=secret", headers={"X-Request-Id": "refused-1"})

    def lines() -> list[str]:
        return [line for line in door.log.read_text().splitlines() if "refused-1" in line]

    wait_until(lines, what="the line is there")
    told = json.loads(lines()[0])
    assert (told["path"], told["status"]) == ("/metrics/of", 404)


def test_an_answer_is_waited_for_longer_than_a_gateway_may_take(tmp_path: Path) -> None:
    usual, patient = FrontDoor(tmp_path).text(), FrontDoor(tmp_path, longest_answer_s=600.5).text()

    assert f"proxy_read_timeout {Settings().max_predict_timeout_s + 10:.0f}s;" in usual
    assert "proxy_read_timeout 611s;" in patient and "worker_shutdown_timeout 631s;" in patient


def test_the_containers_configurations_are_what_the_template_says() -> None:
    for path, text in containers().items():
        assert path.read_text() == text, f"{path.name}: run `make nginx` and commit what it writes"


@pytest.mark.parametrize("made_for_containers", [CONTAINERS, CONTAINERS_TLS], ids=["http", "https"])
def test_nginx_finds_them_right(tmp_path: Path, made_for_containers: FrontDoor) -> None:
    chain, key = certificate(tmp_path)
    text = made_for_containers.text().replace("/run/nginx", str(tmp_path))
    text = text.replace("/run/secrets/tls_certificate", str(chain)).replace("/run/secrets/tls_key", str(key))
    for port in ("8080", "8443"):
        text = text.replace(f"listen {port}", f"listen 127.0.0.1:{free_port()}")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(text)

    assert nginx.fault(configuration) == ""
