"""HTTP/1.1 on real sockets: what clients may send, and what each gets back."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvloop

from services.gateway.http_connection import Connection
from services.gateway.http_request import MOST_WAITING_BYTES
from tests.parts import wait_until

HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


class Home:
    """A server of its own loop and thread; its application answers with what it was asked."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.loop = uvloop.new_event_loop()
        self.host = host
        self.leaving = False
        self.connections: set[Connection] = set()
        self.scopes: list[Any] = []
        self.most_taken = self.streamed = 0
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(10)

    def opened(self, connection: Connection) -> None:
        self.connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def end_quiet(self) -> None:
        async def end() -> None:
            for connection in list(self.connections):
                connection.end_if_quiet(self.loop.time())

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)

    def look(self, now_s: float) -> bool:
        """Look for clients that have taken nothing for 30 s; say whether any is left."""

        async def look() -> bool:
            for connection in list(self.connections):
                connection.end_if_stalled(now_s, now_s - 30)
            return bool(self.connections)

        return asyncio.run_coroutine_threadsafe(look(), self.loop).result(10)

    def took(self, line: socket.socket, data: bytes) -> int:
        """Send *data* until nothing more is taken, however often the loop goes round; return how much was."""
        line.setblocking(False)
        sent = rounds = 0
        while sent < len(data) and rounds < 20:
            rounds += 1
            self.look(0.0)
            with suppress(BlockingIOError):
                sent += line.send(data[sent : sent + 2**20])
                rounds = 0
        return sent

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the loop from going round meanwhile."""
        goes_on, stands = threading.Event(), threading.Event()
        self.loop.call_soon_threadsafe(lambda: (stands.set(), goes_on.wait(30)))
        stands.wait(10)
        yield
        goes_on.set()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    def _run(self, started: threading.Event) -> None:
        listening = self.loop.create_server(lambda: Connection(self), self.host, 0)
        server: Any = self.loop.run_until_complete(listening)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await getattr(self, scope["path"].strip("/") or "echo")(receive, send)

    async def echo(self, receive: Any, send: Any) -> None:
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        status = 400 if message["type"] == "http.disconnect" else 200
        await _answer(send, body, status)

    async def refuse(self, receive: Any, send: Any) -> None:
        await _answer(send, b"too large", 413)

    async def slow(self, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.2)
        await _answer(send, b"slow")

    async def count(self, receive: Any, send: Any) -> None:
        message = {"more_body": True}
        size = 0
        while message.get("more_body"):
            message = await receive()
            self.most_taken = max(self.most_taken, len(message["body"]))
            size += len(message["body"])
        await _answer(send, b"%d" % size)

    async def stream(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": bytes(2**18), "more_body": True})
            self.streamed += 1
        await send({"type": "http.response.body"})

    async def nothing(self, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    async def half(self, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise ValueError("broken")

    async def empty(self, receive: Any, send: Any) -> None:
        await _answer(send, b"", 204)

    async def called(self, receive: Any, send: Any) -> None:
        left = asyncio.Event()
        self.scopes[-1]["when_gone"](left.set)
        await left.wait()
        self.scopes.append("called")

    async def lasting(self, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.scopes.append("gone")


async def _answer(send: Any, body: bytes, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-y", b"z")]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home()
    yield made
    made.stop()


@pytest.fixture
def line(home: Home) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as connection:
        yield connection


def answer(line: socket.socket, *, to: bytes = b"POST") -> tuple[int, dict[bytes, bytes], bytes]:
    """Return the status, headers and body of the next answer."""
    reader = line.makefile("rb", buffering=0)
    status = int(_line(reader).split()[1])
    headers = {}
    while field := _line(reader):
        name, _, value = field.partition(b": ")
        headers[name.lower()] = value
    if to == b"HEAD" or status in (100, 204):
        return status, headers, b""
    if headers.get(b"transfer-encoding") == b"chunked":
        body = b""
        while size := int(_line(reader), 16):
            body += _exactly(reader, size)
            _line(reader)
        _line(reader)
        return status, headers, body
    if b"content-length" in headers:
        return status, headers, _exactly(reader, int(headers[b"content-length"]))
    return status, headers, b"".join(iter(lambda: reader.read(65536), b""))


def _line(reader: Any) -> bytes:
    return bytes(reader.readline()).rstrip(b"\r\n")


def _exactly(reader: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = reader.read(size - len(data))
        assert piece, "the answer ends early"
        data += piece
    return data


def ended(line: socket.socket) -> bool:
    return line.recv(1) == b""


def post(body: bytes, path: bytes = b"/echo", *fields: bytes) -> bytes:
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(body)
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def test_a_connection_is_kept_for_the_next_request(line: socket.socket) -> None:
    for body in (b"one", b"", b"x" * 300_000):
        line.sendall(post(body))
        status, headers, told = answer(line)
        assert (status, told) == (200, body)
        assert headers[b"x-y"] == b"z"
        assert b"GMT" in headers[b"date"]


def test_a_request_that_comes_byte_by_byte_is_one(line: socket.socket) -> None:
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in post(b"in pieces"):
        line.sendall(bytes([byte]))

    assert answer(line)[2] == b"in pieces"


def test_requests_sent_at_once_are_answered_in_their_order(line: socket.socket) -> None:
    line.sendall(post(b"", b"/slow") + post(b"one") + post(b"two"))

    assert [answer(line)[2] for _ in range(3)] == [b"slow", b"one", b"two"]


def test_chunks_make_a_body(line: socket.socket) -> None:
    line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

    assert answer(line)[2] == b"abcde"


def test_fields_behind_the_body_are_passed_over(home: Home, line: socket.socket) -> None:
    chunks = b"3\r\nabc\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\nHost: y\r\n\r\n"
    line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + post(b"next"))

    assert answer(line)[2] == b"abc"
    assert answer(line)[2] == b"next"
    assert home.scopes[0]["headers"] == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize(
    "endless", [b"0\r\nX-Y: " + b"z" * 800_000, b"0\r\n" + b"X-Y: z\r\n" * 100_000, b"3;x=" + b"y" * 800_000]
)
def test_what_stands_between_chunks_or_behind_them_is_bounded(line: socket.socket, endless: bytes) -> None:
    line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + endless)

    status, headers, _ = answer(line)
    assert (status, headers[b"connection"]) == (400, b"close")
    assert ended(line)


def test_what_the_application_sees_of_a_request(home: Home, line: socket.socket) -> None:
    line.sendall(b"GET /%65cho?q=a%20b HTTP/1.1\r\nHost: x\r\nX-Name:  value \r\nX_Name: other\r\n\r\n")
    answer(line)

    [scope] = home.scopes
    assert (scope["method"], scope["path"], scope["raw_path"], scope["query_string"]) == (
        "GET", "/echo", b"/%65cho", b"q=a%20b",
    )  # fmt: skip
    assert [field for field in scope["headers"] if field[0].startswith(b"x")] == [(b"x-name", b"value")]
    assert scope["client"] == line.getsockname()
    assert scope["server"] == line.getpeername()


def test_an_address_of_ipv6_is_a_host_and_a_port_too() -> None:
    if not _has_ipv6():
        pytest.skip("no IPv6 on this machine")
    home = Home("::1")
    with socket.create_connection(("::1", home.port), timeout=10) as line:
        line.sendall(post(b""))
        answer(line)
        here, there = line.getsockname()[:2], line.getpeername()[:2]
    home.stop()

    [scope] = home.scopes
    assert (scope["client"], scope["server"]) == (here, there)


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_client_that_left_before_it_was_seen_is_no_fault(home: Home) -> None:
    faults: list[Any] = []
    home.loop.set_exception_handler(lambda _, told: faults.append(told))
    with home.held(), socket.create_connection(("127.0.0.1", home.port), timeout=10) as left:
        left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as next_:
        next_.sendall(post(b"next"))
        assert answer(next_)[2] == b"next"

    assert faults == []


def test_a_proxy_may_name_the_whole_address(home: Home, line: socket.socket) -> None:
    line.sendall(b"GET http://host/echo?q=1 HTTP/1.1\r\nHost: host\r\n\r\n")

    assert answer(line)[0] == 200
    assert (home.scopes[0]["path"], home.scopes[0]["query_string"]) == ("/echo", b"q=1")


def test_the_answer_to_head_has_no_body(line: socket.socket) -> None:
    line.sendall(b"HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"next"))

    assert answer(line, to=b"HEAD")[0] == 200
    assert answer(line)[2] == b"next"


def test_no_content_has_no_length(line: socket.socket) -> None:
    line.sendall(post(b"", b"/empty") + post(b"next"))

    status, headers, _ = answer(line)
    assert status == 204
    assert b"content-length" not in headers
    assert answer(line)[2] == b"next"


def test_a_client_that_asks_first_is_told_to_go_on(line: socket.socket) -> None:
    line.sendall(HEAD + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert answer(line)[0] == 100

    line.sendall(b"body")
    assert answer(line)[2] == b"body"


def test_a_client_that_asks_first_and_is_refused_is_not_told_to_go_on(line: socket.socket) -> None:
    line.sendall(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n")

    status, headers, _ = answer(line)
    assert (status, headers[b"connection"]) == (413, b"close")


def test_a_client_that_is_refused_while_it_sends_has_its_answer(line: socket.socket) -> None:
    line.sendall(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n")
    for _ in range(40):
        line.sendall(bytes(2**16))

    status, headers, body = answer(line)
    assert (status, headers[b"connection"], body) == (413, b"close", b"too large")
    assert ended(line)


def test_with_http_1_0_a_connection_ends_unless_it_is_asked_to_stay(home: Home, line: socket.socket) -> None:
    line.sendall(b"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert answer(line)[1][b"connection"] == b"keep-alive"

    line.sendall(b"GET /echo HTTP/1.0\r\n\r\n")
    assert answer(line)[1][b"connection"] == b"close"
    assert ended(line)


def test_what_follows_the_last_request_is_no_request(home: Home, line: socket.socket) -> None:
    line.sendall(post(b"last", b"/echo", b"Connection: close") + post(b"more"))

    assert answer(line)[2] == b"last"
    assert ended(line)
    assert len(home.scopes) == 1


def test_an_upgrade_to_what_is_not_spoken_is_answered_as_it_is(line: socket.socket) -> None:
    line.sendall(post(b"as it is", b"/echo", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"))

    assert answer(line)[2] == b"as it is"
    assert ended(line)


def test_so_is_one_whose_body_comes_later_and_in_chunks(line: socket.socket) -> None:
    line.sendall(HEAD + b"Transfer-Encoding: chunked\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n3\r\nabc")
    time.sleep(0.1)
    line.sendall(b"\r\n2\r\nde\r\n0\r\n\r\n")

    assert answer(line)[2] == b"abcde"


def test_so_is_one_without_a_body(line: socket.socket) -> None:
    line.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

    assert answer(line)[0] == 200
    assert ended(line)


@pytest.mark.parametrize("body", [b"abc", b""])
def test_what_follows_such_a_request_is_none_of_its_body(home: Home, line: socket.socket, body: bytes) -> None:
    line.sendall(post(body, b"/echo", b"Connection: Upgrade", b"Upgrade: h2c") + post(b"more"))

    assert answer(line)[2] == body
    assert ended(line)
    assert len(home.scopes) == 1


def test_an_answer_of_unknown_length_comes_in_chunks_and_waits_for_its_reader(home: Home, line: socket.socket) -> None:
    line.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"next"))
    time.sleep(0.3)

    assert home.streamed < 60
    assert answer(line)[2] == bytes(64 * 2**18)
    assert answer(line)[2] == b"next"


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(home: Home, line: socket.socket) -> None:
    line.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: home.streamed, what="the answer begins")
    looks = itertools.count(0, 31)

    wait_until(lambda: not home.look(next(looks)), what="it is cut off")

    wait_until(lambda: home.streamed == 64, what="the application has got rid of its answer")
    assert sum(map(len, iter(lambda: line.recv(2**20), b""))) < 64 * 2**18


def test_one_that_takes_little_at_a_time_is_not(home: Home, line: socket.socket) -> None:
    line.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    now_s = taken = 0
    while home.streamed < 64:
        before, now_s = home.streamed, now_s + 31
        while home.streamed == before:
            taken += len(line.recv(2**16))
        assert home.look(now_s)

    while taken < 64 * 2**18:
        taken += len(line.recv(2**20))


def test_a_kept_connection_on_which_all_is_taken_is_not(home: Home, line: socket.socket) -> None:
    line.sendall(post(b"one"))
    assert answer(line)[2] == b"one"

    assert home.look(0) and home.look(31) and home.look(62)


def test_an_answer_of_unknown_length_ends_with_an_old_clients_connection(line: socket.socket) -> None:
    line.sendall(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert answer(line)[2] == bytes(64 * 2**18)


def test_of_requests_sent_at_once_few_are_read_before_their_turn(home: Home, line: socket.socket) -> None:
    line.sendall(post(b"", b"/lasting"))
    wait_until(lambda: home.scopes, what="a request that takes its time")

    assert home.took(line, post(bytes(2**16)) * 1000) < 2**24


def test_of_a_large_body_little_waits_to_be_taken(home: Home, line: socket.socket) -> None:
    body = bytes(8 * 2**20)
    line.sendall(post(body, b"/count"))

    assert answer(line)[2] == b"%d" % len(body)
    assert home.most_taken < 2 * MOST_WAITING_BYTES


def test_a_body_that_is_cut_short_is_told(line: socket.socket) -> None:
    line.sendall(post(b"whole")[:-2])
    line.shutdown(socket.SHUT_WR)

    assert answer(line)[0] == 400


def test_one_who_sends_no_more_has_his_answer(line: socket.socket) -> None:
    line.sendall(post(b"", b"/slow"))
    line.shutdown(socket.SHUT_WR)

    assert answer(line)[2] == b"slow"
    assert ended(line)


def test_the_application_learns_that_its_client_left(home: Home, line: socket.socket) -> None:
    line.sendall(post(b"x", b"/lasting"))
    wait_until(lambda: home.scopes)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()  # with a reset: a mere end may be that of one who still waits for his answer

    wait_until(lambda: home.scopes[-1:] == ["gone"])


def test_of_a_client_that_left_its_proxy_it_learns_by_the_mere_end(home: Home, line: socket.socket) -> None:
    line.sendall(post(b"x", b"/lasting", b"X-Forwarded-For: 203.0.113.7"))
    wait_until(lambda: home.scopes)
    line.shutdown(socket.SHUT_WR)

    wait_until(lambda: home.scopes[-1:] == ["gone"])
    assert ended(line)


def test_an_application_may_be_called_when_its_client_leaves(home: Home, line: socket.socket) -> None:
    line.sendall(post(b"x") + post(b"x", b"/called"))
    assert answer(line)[0] == 200
    wait_until(lambda: len(home.scopes) == 2)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()

    wait_until(lambda: home.scopes[-1:] == ["called"])


def test_an_application_that_fails_answers_500(line: socket.socket) -> None:
    line.sendall(post(b"", b"/nothing"))

    assert answer(line)[0] == 500
    assert ended(line)


def test_an_answer_that_fails_half_way_is_cut_off(line: socket.socket) -> None:
    line.sendall(post(b"", b"/half"))

    with pytest.raises((AssertionError, ConnectionResetError)):
        answer(line)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X-Y: z\r\n" * 65 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX-Y: " + b"z" * 800_000, 431),
        (HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Content-Length: +3\r\n\r\nabc", 400),
        (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\rX: y\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_never_reaches_the_application(
    home: Home, line: socket.socket, request_: bytes, status: int
) -> None:
    line.sendall(request_)

    told, headers, body = answer(line)
    assert told == status
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"connection"] == b"close"
    assert b"nonsense" not in body
    assert ended(line)
    assert home.scopes == []


def test_nonsense_after_a_request_is_told_after_its_answer(line: socket.socket) -> None:
    line.sendall(post(b"", b"/slow") + b"nonsense\r\n\r\n")

    assert answer(line)[2] == b"slow"
    assert answer(line)[0] == 400
    assert ended(line)


def test_a_quiet_connection_ends_when_it_is_told_to_and_a_busy_one_does_not(home: Home, line: socket.socket) -> None:
    with socket.create_connection(("127.0.0.1", home.port), timeout=10) as busy:
        busy.sendall(post(b"", b"/slow"))
        wait_until(lambda: len(home.scopes) == 1)
        home.end_quiet()

        assert ended(line)
        assert answer(busy)[2] == b"slow"


def test_a_home_that_leaves_ends_connections_with_their_next_answer(home: Home, line: socket.socket) -> None:
    home.leaving = True
    line.sendall(post(b"one") + post(b"two"))

    assert b"connection" not in answer(line)[1]
    assert answer(line)[1][b"connection"] == b"close"
    assert ended(line)


def test_the_time_that_a_request_lay_unread_is_known(home: Home, line: socket.socket) -> None:
    line.sendall(post(b"first"))
    answer(line)
    with home.held():
        line.sendall(post(b"second"))
        time.sleep(0.5)
    answer(line)

    first, second = (scope["unread_s"] for scope in home.scopes)
    assert first < second
    assert second >= 0.2
