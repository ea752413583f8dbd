"""The load generator: ``python -m loadtests.bench.generator ORDER``, which writes what it saw to standard output.

One thread, one poll, sockets and prepared bytes: it shares the machine with what it measures, so it must be cheap
(its CPU is reported beside every figure). Closed loop: so many clients, each sends when its answer is there. Open
loop: Poisson arrivals that wait for nobody; a request's time counts from when it was due, so that a suite which stalls
cannot hide it by stalling the generator (coordinated omission).
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from loadtests.bench.arrivals import poisson
from loadtests.bench.figures import NO_ANSWER, Seen
from loadtests.http import CONTENT_TYPE, form, read_answer, upload

_RECEIVE_BYTES = 256 * 1024
_SEND_BUFFER_BYTES = 1024 * 1024
_LAST_ANSWERS_S = 10.0


class Picture(msgspec.Struct, frozen=True):
    """A file to send, and text that the right answer to it holds (empty: not looked at)."""

    file: str
    expected: str = ""


class Order(msgspec.Struct, frozen=True):
    """What to send where, from the start of the process until *end_at* (the monotonic clock).

    *clients* is a closed loop of so many, or *rate* an open one of so many a second. Each request is a form that holds
    *copies* of its picture, or with a *content_type* the picture's bytes as they are.
    """

    address: str
    path: str
    pictures: list[Picture]
    end_at: float
    clients: int = 0
    rate: float = 0.0
    headers: dict[str, str] = {}
    copies: int = 1
    content_type: str = ""
    seed: int = 1


class Request(msgspec.Struct, frozen=True):
    """Bytes to send, and bytes that the answer must hold."""

    sent: memoryview
    expected: bytes


class Channel:
    """A kept connection with at most one request on its way."""

    __slots__ = ("blocked", "busy", "due", "expected", "left", "received", "socket")

    def __init__(self, host: str, port: int) -> None:
        """Begin to connect; a full backlog must hold up this request alone."""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self.socket.setblocking(False)
        self.socket.connect_ex((host, port))
        self.left = memoryview(b"")
        self.expected = b""
        self.received = bytearray()
        self.due = 0.0
        self.busy = self.blocked = False


class Generator:
    """Runs one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        host, _, port = order.address.rpartition(":")
        self._host, self._port = host, int(port)
        self._requests = itertools.cycle(_requests(order))
        self._poll = select.epoll()
        self._channels: dict[int, Channel] = {}
        self._on_way = 0
        self._idle: deque[Channel] = deque()
        self._rows: list[tuple[float, float, int]] = []
        self._wrong = self._unasked = 0

    def run(self) -> Seen:
        """Send until the end, wait for the last answers, and return what was seen."""
        before = os.times()
        if self._order.clients:
            self._closed_loop()
        else:
            self._open_loop()
        for channel in self._channels.values():
            if channel.busy:
                self._rows.append((channel.due, time.monotonic() - channel.due, NO_ANSWER))
        after = os.times()
        cpu_s = after.user + after.system - before.user - before.system
        return Seen(
            due=[due for due, _, _ in self._rows],
            took_s=[took_s for _, took_s, _ in self._rows],
            status=[status for _, _, status in self._rows],
            wrong=self._wrong,
            unasked=self._unasked,
            cpu_s=cpu_s,
        )

    def _closed_loop(self) -> None:
        for _ in range(self._order.clients):
            self._send(time.monotonic())
        while (now := time.monotonic()) < self._order.end_at:
            for _ in range(self._receive(self._order.end_at - now)):
                self._send(time.monotonic())
        self._finish()

    def _open_loop(self) -> None:
        start = time.monotonic()
        for after_s in poisson(self._order.rate, random.Random(self._order.seed)):
            due = start + after_s
            if due >= self._order.end_at:
                break
            while (left_s := due - time.monotonic()) > 0:
                self._receive(left_s)
            self._send(due)
        self._finish()

    def _finish(self) -> None:
        until = time.monotonic() + _LAST_ANSWERS_S
        while self._on_way and (left_s := until - time.monotonic()) > 0:
            self._receive(left_s)

    # -- one request -------------------------------------------------------------------------------

    def _send(self, due: float) -> None:
        """Send the next request on an idle connection, or on a new one."""
        try:
            channel = self._connected()
        except OSError:
            self._rows.append((due, time.monotonic() - due, NO_ANSWER))
            return
        request = next(self._requests)
        channel.due, channel.left, channel.expected = due, request.sent, request.expected
        channel.busy = True
        self._on_way += 1
        self._write(channel)

    def _connected(self) -> Channel:
        """Return a connection that nothing is on: one that was used before, or a new one."""
        if self._idle:
            return self._idle.popleft()
        channel = Channel(self._host, self._port)
        self._channels[channel.socket.fileno()] = channel
        self._poll.register(channel.socket, select.EPOLLIN)
        return channel

    def _write(self, channel: Channel) -> None:
        had_all = not channel.blocked
        try:
            channel.left = channel.left[channel.socket.send(channel.left) :]
        except BlockingIOError:
            pass
        except OSError:
            channel.left = memoryview(b"")  # reading tells why
        channel.blocked = bool(channel.left)
        if channel.blocked == had_all:
            self._poll.modify(channel.socket, select.EPOLLIN | (select.EPOLLOUT if channel.blocked else 0))

    def _receive(self, timeout_s: float) -> int:
        """Wait for events, at most *timeout_s*; return how many requests were answered.

        ``select`` waits to the microsecond, ``epoll`` only to the millisecond.
        """
        select.select([self._poll], [], [], timeout_s)
        answered = 0
        for number, event in self._poll.poll(0):
            channel = self._channels[number]
            if event & select.EPOLLOUT:
                self._write(channel)
            if event & ~select.EPOLLOUT:
                answered += self._read(channel)
        return answered

    def _read(self, channel: Channel) -> bool:
        try:
            data = channel.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self._unasked += bool(data) and not channel.busy
        channel.received += data
        answer = read_answer(channel.received) if channel.busy else None
        if answer is None and data:
            return False
        was_busy, channel.busy = channel.busy, False
        if was_busy:
            self._on_way -= 1
            self._rows.append((channel.due, time.monotonic() - channel.due, answer.status if answer else NO_ANSWER))
        if answer is None or channel.left:
            self._close(channel)
            return was_busy
        self._wrong += answer.status == 200 and channel.expected not in answer.body
        if answer.closes:
            self._close(channel)
            return True
        channel.received.clear()
        self._idle.append(channel)
        return True

    def _close(self, channel: Channel) -> None:
        if channel in self._idle:
            self._idle.remove(channel)
        del self._channels[channel.socket.fileno()]
        self._poll.unregister(channel.socket)
        channel.socket.close()


def _requests(order: Order) -> Iterator[Request]:
    for picture in order.pictures:
        path = Path(picture.file)
        if order.content_type:
            body, kind = path.read_bytes(), order.content_type
        else:
            body, kind = form(path.name, path.read_bytes(), copies=order.copies), CONTENT_TYPE
        sent = upload(order.address, order.path, body, order.headers, content_type=kind)
        yield Request(memoryview(sent), picture.expected.encode())


def main(arguments: Sequence[str]) -> int:
    """Run the order in the file that is named."""
    order = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Order)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.stdout.buffer.write(msgspec.msgpack.encode(Generator(order).run()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
