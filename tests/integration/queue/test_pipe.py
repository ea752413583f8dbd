"""A pipe to Redis: many calls on one connection, each with its own reply, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from redis.exceptions import AuthenticationError, RedisError

from services.queue.connections import connect
from services.queue.pipe import Pipe, Subscription
from services.queue.scripts import Script, run_async
from tests.parts import free_port, start_redis, until

Result = TypeVar("Result")


def on_pipe(url: str, work: Callable[[Pipe], Awaitable[Result]], **how: Any) -> Result:
    """Return what *work* gives on a pipe to *url*."""

    async def run() -> Result:
        pipe = Pipe(url, **how)
        try:
            return await work(pipe)
        finally:
            await pipe.close()

    return asyncio.run(run())


def test_calls_that_are_on_their_way_together_get_their_own_replies(redis_url: str) -> None:
    async def work(pipe: Pipe) -> list[bytes]:
        return list(await asyncio.gather(*(pipe.call("ECHO", f"{number}") for number in range(500))))

    assert on_pipe(redis_url, work) == [f"{number}".encode() for number in range(500)]


def test_the_callers_share_one_connection(redis_url: str) -> None:
    async def work(pipe: Pipe) -> int:
        ids = await asyncio.gather(*(pipe.call("CLIENT", "ID") for _ in range(50)))
        return len(set(ids))

    assert on_pipe(redis_url, work) == 1


def test_a_caller_that_gives_up_does_not_shift_the_others_replies(redis_url: str) -> None:
    async def work(pipe: Pipe) -> Any:
        await pipe.call("PING")
        gone = asyncio.ensure_future(pipe.call("ECHO", "first"))
        await asyncio.sleep(0)
        gone.cancel()
        return await pipe.call("ECHO", "second")

    assert on_pipe(redis_url, work) == b"second"


def test_an_error_is_the_error_of_its_call_alone(redis_url: str) -> None:
    async def work(pipe: Pipe) -> list[Any]:
        calls = pipe.call("ECHO", "a"), pipe.call("NO-SUCH-COMMAND"), pipe.call("ECHO", "b")
        return list(await asyncio.gather(*calls, return_exceptions=True))

    before, error, after = on_pipe(redis_url, work)

    assert (before, after) == (b"a", b"b")
    assert isinstance(error, RedisError)


@pytest.mark.parametrize("size", [0, 8191, 8192, 2**20])
def test_bytes_of_any_size_arrive_whole_however_they_are_held(redis_url: str, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def work(pipe: Pipe) -> list[Any]:
        held = data, memoryview(bytearray(b"-" + data + b"-"))[1:-1]
        return list(await asyncio.gather(*(pipe.call("ECHO", word) for word in held)))

    assert on_pipe(redis_url, work) == [data, data]


def test_steps_and_calls_that_are_on_their_way_together_get_their_own_replies(redis_url: str) -> None:
    async def work(pipe: Pipe) -> list[Any]:
        sent = []
        for number in range(100):
            sent += pipe.call("ECHO", f"{number}"), pipe.step([("ECHO", f"step {number}"), ("PING",)])
        return list(await asyncio.gather(*sent))

    assert on_pipe(redis_url, work) == [
        reply for number in range(100) for reply in (b"%d" % number, b"step %d" % number)
    ]


def test_of_a_step_with_an_unknown_command_nothing_is_done(redis_url: str) -> None:
    async def work(pipe: Pipe) -> tuple[Any, Any]:
        with pytest.raises(RedisError, match="unknown command"):
            await pipe.step([("SET", "test:step", "1"), ("NO-SUCH-COMMAND",), ("SET", "test:step", "2")])
        return await pipe.call("GET", "test:step"), await pipe.call("ECHO", "after")

    assert on_pipe(redis_url, work) == (None, b"after")


def test_an_error_of_any_part_of_a_step_is_raised(redis_url: str) -> None:
    async def work(pipe: Pipe) -> Any:
        with pytest.raises(RedisError, match="WRONGTYPE"):
            await pipe.step([("SET", "test:step", "1"), ("LPUSH", "test:step", "2")])
        return await pipe.call("ECHO", "after")

    assert on_pipe(redis_url, work) == b"after"


def test_a_script_that_the_server_does_not_know_any_more_is_sent_again(redis_url: str) -> None:
    script = Script("beat", {"dispatchers": "dispatchers", "plans": "plans"})

    async def work(pipe: Pipe) -> None:
        await pipe.call("SCRIPT", "FLUSH")
        await run_async(pipe, script.call(["test:pipe:"], {"me": "x", "ttl_ms": 1000}))

    on_pipe(redis_url, work)


def test_nobody_listening_is_an_error_at_once() -> None:
    async def work(pipe: Pipe) -> None:
        await pipe.call("PING")

    with pytest.raises(RedisError):
        on_pipe("redis://127.0.0.1:1/0", work)


def test_a_server_that_does_not_answer_fails_every_call_and_is_connected_to_again(tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)

    async def work(pipe: Pipe) -> tuple[list[Any], Any]:
        await pipe.call("PING")
        server.process.send_signal(signal.SIGSTOP)
        try:
            failed = await asyncio.gather(*(pipe.call("PING") for _ in range(20)), return_exceptions=True)
        finally:
            server.process.send_signal(signal.SIGCONT)
        while True:
            try:
                return list(failed), await pipe.call("PING")
            except RedisError:
                await asyncio.sleep(0.05)

    try:
        failed, after = on_pipe(url, work, call_timeout_s=0.3)
    finally:
        server.stop()

    assert all(isinstance(error, RedisError) for error in failed)
    assert after == b"PONG"


def test_an_answer_that_comes_slowly_is_waited_for() -> None:
    size, pieces, port = 100_000, 25, free_port()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"GET")
        writer.write(b"$%d\r\n" % size)
        for _ in range(pieces):
            await asyncio.sleep(0.1)
            writer.write(bytes(size // pieces))
        writer.write(b"\r\n+PONG\r\n")

    async def work(pipe: Pipe) -> list[Any]:
        async with await asyncio.start_server(drip, "127.0.0.1", port):
            return await asyncio.gather(pipe.call("GET", "large"), pipe.call("PING"))

    assert on_pipe(f"redis://127.0.0.1:{port}/0", work, call_timeout_s=2.0) == [bytes(size), b"PONG"]


def test_what_is_taken_slowly_is_waited_for() -> None:
    size, port = 2**20, free_port()

    async def sip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = 0
        while taken < size:
            taken += len(await reader.read(2**15))
            await asyncio.sleep(0.1)
        writer.write(b"+OK\r\n")

    async def work(pipe: Pipe) -> Any:
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**15)
            listening.bind(("127.0.0.1", port))
            async with await asyncio.start_server(sip, sock=listening, limit=2**15):
                return await pipe.call("SET", "large", bytes(size))

    assert on_pipe(f"redis://127.0.0.1:{port}/0", work, call_timeout_s=2.0) == b"OK"


def test_a_password_and_a_database_are_said_before_anything_else(redis_url: str) -> None:
    async def guarded(pipe: Pipe) -> None:
        await pipe.call("ACL", "SETUSER", "pipe-test", "on", ">secret", "+@all", "~*")
        await pipe.call("DEL", "pipe-test")

    async def write(pipe: Pipe) -> Any:
        await pipe.call("SET", "pipe-test", "in 3")
        return await pipe.call("ACL", "WHOAMI")

    async def read(pipe: Pipe) -> Any:
        return await pipe.call("GET", "pipe-test")

    address = redis_url.removeprefix("redis://").partition("/")[0]
    on_pipe(redis_url, guarded)

    assert on_pipe(f"redis://pipe-test:secret@{address}/3", write) == b"pipe-test"
    assert on_pipe(f"redis://{address}/3", read) == b"in 3"
    assert on_pipe(f"redis://{address}/0", read) is None
    with pytest.raises(AuthenticationError):
        on_pipe(f"redis://pipe-test:wrong@{address}/3", read)


def test_a_unix_socket_is_as_good_as_a_port(tmp_path: Path) -> None:
    socket = tmp_path / "a folder" / "redis.sock"
    socket.parent.mkdir()
    server, _ = start_redis(tmp_path, unixsocket=str(socket))
    url = f"unix://{quote(str(socket))}?db=2"

    async def work(pipe: Pipe) -> Any:
        await pipe.call("SET", "pipe-test", "in 2")
        return await pipe.call("GET", "pipe-test")

    try:
        assert on_pipe(url, work) == b"in 2"
        assert connect(url, most=1).get("pipe-test") == b"in 2"
    finally:
        server.stop()


def test_a_connection_that_is_not_let_in_is_closed(tmp_path: Path) -> None:
    server, url = start_redis(tmp_path)
    watcher = connect(url, most=1)

    async def work(pipe: Pipe) -> None:
        with pytest.raises(AuthenticationError):
            await pipe.call("PING")
        await until(lambda: len(watcher.client_list()) == 1, what="the watcher is alone")

    try:
        on_pipe(url.replace("redis://", "redis://nobody:wrong@"), work)
    finally:
        server.stop()


class Heard:
    """What a subscription heard: how often it began, and the messages with their channels."""

    def __init__(self, *channels: str) -> None:
        self.begun, self.messages = 0, list[tuple[bytes, bytes]]()
        self.subscription = Subscription(channels, self._begin, lambda *message: self.messages.append(message))

    def _begin(self) -> None:
        self.begun += 1


def test_a_subscription_hears_its_channels_from_the_first_call_on(redis_url: str) -> None:
    heard = Heard("pipe-test:a", "pipe-test:b")
    others = connect(redis_url, most=1)

    async def work(pipe: Pipe) -> Any:
        await pipe.call("PING")
        for number in range(3):
            for channel in ("pipe-test:a", "pipe-test:b", "pipe-test:c"):
                others.publish(channel, str(number))
        await until(lambda: len(heard.messages) == 6)
        return await pipe.call("PING")

    assert on_pipe(redis_url, work, subscription=heard.subscription) == [b"pong", b""]
    assert heard.messages == [(b"pipe-test:%b" % name, b"%d" % number) for number in range(3) for name in (b"a", b"b")]
    assert heard.begun == 1


def test_a_subscription_that_was_lost_begins_again_with_the_next_call(redis_url: str) -> None:
    heard = Heard("pipe-test:a")
    others = connect(redis_url, most=1)

    async def work(pipe: Pipe) -> None:
        await pipe.call("PING")
        others.client_kill_filter(_type="pubsub")
        async with asyncio.timeout(20):
            while heard.begun == 1:
                with suppress(RedisError):
                    await pipe.call("PING")
                await asyncio.sleep(0.01)
        others.publish("pipe-test:a", "after")
        await until(lambda: heard.messages)

    on_pipe(redis_url, work, subscription=heard.subscription)

    assert (heard.begun, heard.messages) == (2, [(b"pipe-test:a", b"after")])


def test_who_may_not_hear_a_channel_is_told_so(redis_url: str) -> None:
    heard = Heard("pipe-test:a")
    connect(redis_url, most=1).execute_command("ACL", "SETUSER", "deaf", "on", ">secret", "+@all", "resetchannels")

    async def work(pipe: Pipe) -> None:
        await pipe.call("PING")

    with pytest.raises(RedisError, match="NOPERM"):
        on_pipe(redis_url.replace("redis://", "redis://deaf:secret@"), work, subscription=heard.subscription)
    assert heard.begun == 0
