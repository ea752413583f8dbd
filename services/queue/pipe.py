"""One connection to Redis for asyncio that carries many calls at a time (pipelining).

A connection from a pool carries one call at a time, so that many callers cost as many connections, wake-ups and system
calls. Here calls are written as they come and answered in their order: what one turn of the loop sends goes out
together, and what came in is read together. hiredis makes and reads the protocol.
"""

from __future__ import annotations

import asyncio
import fcntl
import random
import ssl
import sys
import termios
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import hiredis
from redis import exceptions
from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError

from services.queue.connections import CALL_TIMEOUT_S, CONNECT_TIMEOUT_S

Command = tuple[Any, ...]
"""Its words: text, bytes or numbers."""
_LOOKS_PER_TIMEOUT = 8
_LARGE_BYTES = 8192
_REST_S = 0.05
_ERRORS = {
    "NOSCRIPT": exceptions.NoScriptError,
    "OOM": exceptions.OutOfMemoryError,
    "NOAUTH": exceptions.AuthenticationError,
    "WRONGPASS": exceptions.AuthenticationError,
}


class Subscription(NamedTuple):
    """Which channels to hear. *begun* is called after each connecting, since what was said before went unheard;
    *told* with the channel and the text of each message.
    """

    channels: Sequence[str]
    begun: Callable[[], None]
    told: Callable[[bytes, bytes], None]


class Pipe:
    """Calls to the Redis at *url*, made inside one event loop; it connects by itself, and again after a loss.

    A call raises RedisError: at once where nobody listens, after *call_timeout_s* in which nothing came, nor went.
    Then nobody knows what became of the calls that were on their way, and all of them fail: none is ever sent twice.

    With a *subscription* it hears messages from its first call on, and can be asked ``PING`` alone: that finds out
    whether Redis is still there, and connects again if not.
    """

    def __init__(
        self, url: str, *, call_timeout_s: float = CALL_TIMEOUT_S, subscription: Subscription | None = None
    ) -> None:
        self._where: dict[str, Any] = dict(parse_url(url))
        self._call_timeout_s, self._subscription = call_timeout_s, subscription
        self._stream: _Stream | None = None
        self._connecting: asyncio.Task[_Stream] | None = None
        self._rest_until_s = 0.0
        self.connections = 0
        """How often it has connected."""

    async def call(self, *command: str | bytes | memoryview | int | float) -> Any:
        """Return the raw reply to a command."""
        return await (await self._connection()).call(command)

    async def step(self, commands: Sequence[Command]) -> Any:
        """Return the raw reply to the first of these commands, which are done as one step, with nothing in between.

        An error of any of them is raised. Nothing is done where one is refused at once (unknown, no memory left).
        """
        if len(commands) == 1:
            return await self.call(*commands[0])
        replies = await (await self._connection()).transaction(commands)
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise _error(str(reply))
        return replies[0]

    async def close(self) -> None:
        """Close the connection; calls on their way fail."""
        if self._connecting:
            self._connecting.cancel()
        if self._stream:
            self._stream.fail(exceptions.ConnectionError("closed"))

    async def _connection(self) -> _Stream:
        """Return the connection that all share, those too who wait for one."""
        if self._stream and not self._stream.closed:
            return self._stream
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(self._has_connected)
        return await asyncio.shield(self._connecting)

    def _has_connected(self, done: asyncio.Task[_Stream]) -> None:
        self._connecting = None
        if not done.cancelled() and done.exception() is None:
            self._stream = done.result()
            self.connections += 1

    async def _connect(self) -> _Stream:
        loop = asyncio.get_running_loop()
        if loop.time() < self._rest_until_s:
            raise exceptions.ConnectionError("Redis was away a moment ago")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._greeted(await self._open(loop))
        except (OSError, TimeoutError, RedisError) as error:
            self._rest_until_s = loop.time() + _REST_S * random.uniform(0.5, 1.5)
            if isinstance(error, RedisError):
                raise
            raise exceptions.ConnectionError(str(error) or "no answer") from error

    async def _greeted(self, stream: _Stream) -> _Stream:
        """Say who we are; a connection on which that fails is closed."""
        try:
            for command in self._greetings():
                await stream.call(command)
            if self._subscription:
                await stream.subscribe(self._subscription)
        except BaseException:
            stream.fail(exceptions.ConnectionError("not let in"))
            raise
        return stream

    async def _open(self, loop: asyncio.AbstractEventLoop) -> _Stream:
        def stream() -> _Stream:
            return _Stream(loop, self._call_timeout_s)

        if path := self._where.get("path"):
            _, made = await loop.create_unix_connection(stream, path)
        else:
            host, port = self._where.get("host", "localhost"), self._where.get("port", 6379)
            _, made = await loop.create_connection(stream, host, port, ssl=self._tls())
        return made

    def _tls(self) -> ssl.SSLContext | None:
        """Return how to speak TLS, as a ``rediss:`` URL says."""
        if "connection_class" not in self._where or "path" in self._where:
            return None
        context = ssl.create_default_context(cafile=self._where.get("ssl_ca_certs"))
        if self._where.get("ssl_cert_reqs") == "none":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate := self._where.get("ssl_certfile"):
            context.load_cert_chain(certificate, self._where.get("ssl_keyfile"))
        return context

    def _greetings(self) -> list[tuple[str, ...]]:
        greetings: list[tuple[str, ...]] = []
        if password := self._where.get("password"):
            user = self._where.get("username")
            greetings.append(("AUTH", user, password) if user else ("AUTH", password))
        if database := self._where.get("db"):
            greetings.append(("SELECT", str(database)))
        return greetings


class _Sent(NamedTuple):
    """A command without its reply yet; of a transaction all have one *reply*, which the *last* brings, or any error."""

    reply: asyncio.Future[Any]
    late_s: float
    last: bool = True


class _Stream(asyncio.Protocol):
    """One connection: the calls that wait for their reply, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call_timeout_s: float) -> None:
        self.closed = False
        self._loop, self._call_timeout_s = loop, call_timeout_s
        self._reader = hiredis.Reader()
        self._waiting: deque[_Sent] = deque()
        self._moved_s = 0.0
        self._written = self._gone = self._unsent = 0
        self._look: asyncio.TimerHandle | None = None
        self._told: Callable[[bytes, bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def call(self, command: Command) -> asyncio.Future[Any]:
        """Send a command; return what will hold its reply."""
        return self._send([command])

    def transaction(self, commands: Sequence[Command]) -> asyncio.Future[Any]:
        """Send commands to be done in one step; return what will hold the list of their replies."""
        return self._send([("MULTI",), *commands, ("EXEC",)])

    def _send(self, commands: Sequence[Command]) -> asyncio.Future[Any]:
        reply = self._loop.create_future()
        if self.closed:
            reply.set_exception(exceptions.ConnectionError("the connection was lost"))
            return reply
        late_s, last = self._loop.time() + self._call_timeout_s, len(commands) - 1
        self._waiting.extend(_Sent(reply, late_s, last=place == last) for place in range(len(commands)))
        pieces = [piece for command in commands for piece in _packed(command)]
        self._written += sum(map(len, pieces))
        self._transport.writelines(pieces)
        if self._look is None:
            self._look_later()
        return reply

    async def subscribe(self, subscription: Subscription) -> None:
        """Hear messages from now on."""
        self._told = subscription.told
        for channel in subscription.channels:  # one by one, since each is confirmed by a reply of its own
            await self.call(("SUBSCRIBE", channel))
        subscription.begun()

    def data_received(self, data: bytes) -> None:
        self._moved_s = self._loop.time()
        self._reader.feed(data)
        try:
            while (found := self._reader.gets()) is not False:
                self._take(found)
        except hiredis.ProtocolError as error:
            self.fail(exceptions.ConnectionError(f"no Redis answers: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(exceptions.ConnectionError(str(exc or "closed by the other side")))

    def fail(self, error: RedisError) -> None:
        """End the connection; what waits fails."""
        self.closed = True
        self._transport.abort()
        if self._look:
            self._look.cancel()
        while self._waiting:
            sent = self._waiting.popleft()
            if not sent.reply.done():
                sent.reply.set_exception(error)

    def _take(self, found: Any) -> None:
        if self._told and isinstance(found, list) and found[0] == b"message":
            self._told(found[1], found[2])
            return
        reply, _, last = self._waiting.popleft()
        if reply.done():  # its caller is gone, or an error ended it
            return
        if isinstance(found, hiredis.ReplyError):
            reply.set_exception(_error(str(found)))
        elif last:
            reply.set_result(found)

    def _look_later(self) -> None:
        self._look = self._loop.call_later(self._call_timeout_s / _LOOKS_PER_TIMEOUT, self._look_for_late)

    def _look_for_late(self) -> None:
        """Give up where the oldest call waits too long, and nothing moves; one timer for all calls."""
        self._look = None
        self._look_for_sent()
        late_s = max(self._waiting[0].late_s, self._moved_s + self._call_timeout_s) if self._waiting else 0.0
        if self._waiting and self._loop.time() > late_s:
            self.fail(exceptions.TimeoutError(f"no answer within {self._call_timeout_s:g} s"))
        elif self._waiting:
            self._look_later()

    def _look_for_sent(self) -> None:
        """Note whether any went of what could not be sent at once: then the other side reads, however slowly."""
        socket = self._transport.get_extra_info("socket").fileno()
        in_kernel = int.from_bytes(fcntl.ioctl(socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        unsent = self._transport.get_write_buffer_size() + in_kernel
        gone = self._written - unsent
        if self._unsent and gone > self._gone:
            self._moved_s = self._loop.time()
        self._unsent, self._gone = unsent, gone


def _packed(command: Command) -> list[bytes | memoryview]:
    """Return a command as the protocol has it, in pieces, since large words are not copied.

    hiredis copies each twice, into memory that it gets from the system and gives back: 1.6 ms for 1 MB.
    """
    if not any(isinstance(word, bytes | memoryview) and len(word) >= _LARGE_BYTES for word in command):
        return [hiredis.pack_command(command)]
    pieces: list[bytes | memoryview] = []
    small = b"*%d\r\n" % len(command)
    for word in command:
        data = word if isinstance(word, bytes | memoryview) else str(word).encode()
        small += b"$%d\r\n" % len(data)
        if len(data) < _LARGE_BYTES:
            small += data
        else:
            pieces += small, data
            small = b""
        small += b"\r\n"
    return [*pieces, small]


def _error(text: str) -> RedisError:
    return _ERRORS.get(text.partition(" ")[0], exceptions.ResponseError)(text)
